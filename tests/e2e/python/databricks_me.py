"""Who the token in the SDK's own variables is, at a workspace or at an account; or why it is nobody."""
import json
import os

from databricks.sdk import AccountClient, WorkspaceClient
from databricks.sdk.errors import DatabricksError

account = os.environ.get("DATABRICKS_ACCOUNT_ID")
try:
    if account:
        # The SDK has no method for who asks at an account.
        me = AccountClient().api_client.do("GET", f"/api/2.0/accounts/{account}/scim/v2/Me")["userName"]
    else:
        me = WorkspaceClient().current_user.me().user_name
    print(json.dumps({"me": me}))
except DatabricksError as error:
    print(json.dumps({"refused": type(error).__name__}))
