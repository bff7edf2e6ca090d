mod statement;

use carnet_jose::Claims;
use serde_json::{Value as Json, json};

use super::*;

const TENANCY: &str = "ocid1.tenancy.oc1..t";

fn principal(claims: Json) -> Principal {
    let Json::Object(claims) = claims else { panic!("an object") };
    Principal::from_claims(&Claims(claims)).unwrap()
}

fn user() -> Principal {
    Principal::user("ocid1.user.oc1..u", TENANCY, "svc-ci")
}

fn instance() -> Principal {
    principal(json!({"ptype": "instance", "sub": "ocid1.instance.oc1..i", "tenant": TENANCY, "opc-compartment": "ci"}))
}

fn pod() -> Principal {
    principal(json!({
        "ptype": "workload", "sub": "ocid1.workload.oc1..w", "tenant": TENANCY, "cluster_id": "ocid1.cluster.oc1..c",
        "namespace": "example", "service_account": "admin",
    }))
}

fn external() -> Principal {
    principal(json!({
        "ptype": "identityfederateddomainapp", "sub": "repo:o/r", "tenant": TENANCY, "domain_id": "ocid1.domain.oc1..d",
        "var_ext_repository": "Org/Repo",
    }))
}

/// The root with `ci` and `ops` below it, and `ci:build` below `ci`.
fn compartments() -> Compartments {
    let row =
        |id: &str, name: &str, parent: Option<&str>| (id.to_owned(), (name.to_owned(), parent.map(str::to_owned)));
    Compartments(BTreeMap::from([
        row(TENANCY, "root", None),
        row("ci", "CI", Some(TENANCY)),
        row("ops", "ops", Some(TENANCY)),
        row("build", "build", Some("ci")),
    ]))
}

fn group(name: &str, dynamic: bool) -> Membership {
    Membership { id: format!("ocid1.group.oc1..{name}"), name: name.to_owned(), domain: None, dynamic }
}

struct Question<'a> {
    statement: &'a str,
    attached: &'a str,
    principal: Principal,
    groups: Vec<Membership>,
    permission: &'a str,
    compartment: &'a str,
}

impl<'a> Question<'a> {
    /// May a member of `deployers` read a bucket in `ci`?
    fn of(statement: &'a str) -> Self {
        Self {
            statement,
            attached: TENANCY,
            principal: user(),
            groups: vec![group("deployers", false)],
            permission: "BUCKET_READ",
            compartment: "ci",
        }
    }

    fn by(self, principal: Principal, groups: Vec<Membership>) -> Self {
        Self { principal, groups, ..self }
    }

    fn decide(&self) -> Decision {
        let policy = Policy {
            name: "p".to_owned(),
            compartment: self.attached.to_owned(),
            statements: vec![parse_statement(self.statement).unwrap()],
        };
        let variables =
            BTreeMap::from([("target.bucket.name", "logs-1".to_owned()), ("request.region", "IAD".to_owned())]);
        evaluate(
            &[policy],
            &compartments(),
            &Access {
                principal: &self.principal,
                groups: &self.groups,
                permission: self.permission,
                compartment: self.compartment,
                variables: &variables,
            },
        )
    }

    fn allowed(&self) -> bool {
        self.decide().grant().is_some()
    }
}

#[test]
fn subjects() {
    let in_domain = Membership { domain: Some("Corp".to_owned()), ..group("deployers", false) };
    for (subject, by_user, by_instance, by_corp_user) in [
        ("group deployers", true, false, false),
        ("group Default/Deployers", true, false, false),
        ("group 'default'/'deployers'", true, false, false),
        ("group Corp/deployers", false, false, true),
        ("group others, deployers", true, false, false),
        ("group others, group deployers", true, false, false),
        ("group id ocid1.group.oc1..deployers", true, false, true),
        ("group others", false, false, false),
        ("dynamic-group runners", false, true, false),
        ("dynamic-group id ocid1.group.oc1..runners", false, true, false),
        ("dynamic-group deployers", false, false, false),
        ("group runners", false, false, false),
        ("any-user", true, true, true),
        ("any-group", true, true, true),
        ("service objectstorage-us-ashburn-1", false, false, false),
        ("resource instance ocid1.instance.oc1..i", false, true, false),
    ] {
        let statement = format!("Allow {subject} to read buckets in tenancy");
        assert_eq!(Question::of(&statement).allowed(), by_user, "{subject} for a user");
        let asked = Question::of(&statement).by(instance(), vec![group("runners", true)]);
        assert_eq!(asked.allowed(), by_instance, "{subject} for an instance");
        let asked = Question::of(&statement).by(user(), vec![in_domain.clone()]);
        assert_eq!(asked.allowed(), by_corp_user, "{subject} for a user of another domain");
    }
}

#[test]
fn any_group_leaves_service_principals_out() {
    let service = principal(json!({"ptype": "service", "sub": "objectstorage-us-ashburn-1", "tenant": TENANCY}));
    for (subject, expected) in [("any-user", true), ("any-group", false), ("service objectstorage-us-ashburn-1", true)]
    {
        let statement = format!("Allow {subject} to read buckets in tenancy");
        assert_eq!(Question::of(&statement).by(service.clone(), Vec::new()).allowed(), expected, "{subject}");
    }
}

#[test]
fn verbs_include_the_weaker_ones() {
    for (what, allowed) in [
        ("inspect buckets", "BUCKET_INSPECT"),
        ("read buckets", "BUCKET_INSPECT BUCKET_READ"),
        ("use buckets", "BUCKET_INSPECT BUCKET_READ BUCKET_UPDATE"),
        ("manage buckets", "BUCKET_INSPECT BUCKET_READ BUCKET_UPDATE BUCKET_CREATE BUCKET_DELETE"),
        ("manage objects", "OBJECT_READ OBJECT_CREATE OBJECT_OVERWRITE OBJECT_DELETE"),
        ("read objects", "OBJECT_READ"),
        ("read object-family", "BUCKET_INSPECT BUCKET_READ OBJECT_READ OBJECTSTORAGE_NAMESPACE_READ"),
        ("inspect virtual-network-family", "VCN_READ"),
        ("read all-resources", "BUCKET_INSPECT BUCKET_READ OBJECT_READ OBJECTSTORAGE_NAMESPACE_READ VCN_READ"),
        ("{BUCKET_READ, object_create}", "BUCKET_READ OBJECT_CREATE"),
        ("manage nothing-known", ""),
    ] {
        let statement = format!("Allow group deployers to {what} in tenancy");
        for permission in [
            "BUCKET_INSPECT",
            "BUCKET_READ",
            "BUCKET_UPDATE",
            "BUCKET_CREATE",
            "BUCKET_DELETE",
            "OBJECT_READ",
            "OBJECT_CREATE",
            "OBJECT_OVERWRITE",
            "OBJECT_DELETE",
            "OBJECTSTORAGE_NAMESPACE_READ",
            "VCN_READ",
        ] {
            let question = Question { permission, ..Question::of(&statement) };
            assert_eq!(question.allowed(), allowed.split(' ').any(|own| own == permission), "{what}: {permission}");
        }
    }
}

#[test]
fn manage_all_resources_gives_every_permission() {
    let question =
        Question { permission: "GET_RPST", ..Question::of("allow group deployers to manage all-resources in tenancy") };
    assert!(question.allowed());
    let question =
        Question { permission: "GET_RPST", ..Question::of("allow group deployers to use all-resources in tenancy") };
    assert!(!question.allowed());
}

#[test]
fn compartments_are_inherited_downwards_only() {
    for (location, attached, in_ci, in_build, in_root, in_ops) in [
        ("tenancy", TENANCY, true, true, true, true),
        ("compartment ci", TENANCY, true, true, false, false),
        ("compartment 'CI'", TENANCY, true, true, false, false),
        ("compartment id ci", TENANCY, true, true, false, false),
        ("compartment ci:build", TENANCY, false, true, false, false),
        ("compartment build", TENANCY, false, false, false, false),
        ("compartment build", "ci", false, true, false, false),
        ("compartment ci", "ci", true, true, false, false),
        ("compartment ops", "ci", false, false, false, false),
        ("compartment id ops", "ci", false, false, false, false),
        ("tenancy", "ci", false, false, false, false),
    ] {
        let statement = format!("Allow group deployers to read buckets in {location}");
        for (compartment, expected) in [("ci", in_ci), ("build", in_build), (TENANCY, in_root), ("ops", in_ops)] {
            let question = Question { attached, compartment, ..Question::of(&statement) };
            assert_eq!(question.allowed(), expected, "{location} of a policy at {attached}, asked in {compartment}");
        }
    }
    let unknown =
        Question { compartment: "elsewhere", ..Question::of("Allow group deployers to read buckets in tenancy") };
    assert!(!unknown.allowed());
}

#[test]
fn conditions() {
    for (condition, expected) in [
        ("request.principal.type = 'identityfederateddomainapp'", true),
        ("request.principal.ext_repository = 'org/repo'", true),
        ("REQUEST.PRINCIPAL.EXT_REPOSITORY = 'ORG/REPO'", true),
        ("request.principal.ext_repository = 'org/other'", false),
        ("request.principal.ext_repository != 'org/other'", true),
        ("request.principal.ext_repository = /org*/", true),
        ("request.principal.ext_repository = /*repo/", true),
        ("request.principal.ext_repository = /*g/r*/", true),
        ("request.principal.ext_repository = /repo*/", false),
        ("request.principal.ext_repository != /repo*/", true),
        // A variable that does not apply makes the test false, whatever the operator.
        ("request.principal.ext_actor = 'x'", false),
        ("request.principal.ext_actor != 'x'", false),
        ("request.user.id != 'x'", false),
        ("request.groups.id != 'x'", false),
        ("request.principal.nonsense != 'x'", false),
        ("all {request.principal.type = 'identityfederateddomainapp', target.bucket.name = /logs*/}", true),
        ("all {request.principal.type = 'identityfederateddomainapp', target.bucket.name = 'x'}", false),
        ("any {target.bucket.name = 'x', request.permission = 'BUCKET_READ'}", true),
        ("any {target.bucket.name = 'x', request.permission = 'BUCKET_CREATE'}", false),
        ("all {any {target.bucket.name = 'x', request.region = 'iad'}, target.compartment.name = 'ci'}", true),
        ("any {all {target.bucket.name = 'x', request.region = 'iad'}, target.compartment.name = 'ops'}", false),
        ("request.principal.domain.id = 'ocid1.domain.oc1..d'", true),
        ("request.principal.name = 'repo:o/r'", true),
    ] {
        let statement = format!("Allow any-user to read buckets in compartment ci where {condition}");
        let question = Question::of(&statement).by(external(), Vec::new());
        assert_eq!(question.allowed(), expected, "{condition}");
    }
}

#[test]
fn groups_are_a_variable_with_several_values() {
    for (condition, expected) in [
        ("request.groups.id = 'ocid1.group.oc1..b'", true),
        ("request.groups.id != 'ocid1.group.oc1..b'", false),
        ("request.groups.id != 'ocid1.group.oc1..c'", true),
    ] {
        let statement = format!("Allow any-user to read buckets in tenancy where {condition}");
        let question = Question::of(&statement).by(user(), vec![group("a", false), group("b", false)]);
        assert_eq!(question.allowed(), expected, "{condition}");
    }
}

#[test]
fn a_misspelt_variable_refuses_and_the_refusal_says_so() {
    let statement = "Allow any-user to manage buckets in tenancy where all {request.principal.type = 'workload', \
                     request.principal.cluser_id = 'ocid1.cluster.oc1..c', request.principal.namespace = 'example', \
                     request.principal.service_account = 'admin'}";
    let decision = Question::of(statement).by(pod(), Vec::new()).decide();
    let refusal = decision.refusal().unwrap();
    assert_eq!(refusal.clause, "condition");
    assert_eq!(refusal.seen, "request.principal.cluser_id is no variable that is known here");
    assert_eq!(refusal.fix, "write request.principal.cluster_id in place of request.principal.cluser_id");
    let warnings = lint(&parse_statement(statement).unwrap());
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].fix.contains("request.principal.cluster_id"));
    let right = statement.replace("cluser_id", "cluster_id");
    assert!(Question::of(&right).by(pod(), Vec::new()).allowed());
    assert!(lint(&parse_statement(&right).unwrap()).is_empty());
}

#[test]
fn a_misspelt_variable_in_any_only_warns() {
    let statement = "Allow any-user to read buckets in tenancy where any {request.principal.cluser_id = 'x', request.principal.type = 'workload'}";
    let decision = Question::of(statement).by(pod(), Vec::new()).decide();
    assert_eq!(decision.grant().unwrap().warnings.len(), 1);
}

#[test]
fn the_refusal_names_the_statement_that_came_closest() {
    let statements = [
        "Allow any-user to read buckets in tenancy where all {request.principal.type = 'workload', request.principal.namespace = 'x'}",
        "Allow any-user to read buckets in tenancy where all {request.principal.type = 'identityfederateddomainapp', request.principal.ext_repository = 'org/other'}",
    ];
    let policy = Policy {
        name: "p".to_owned(),
        compartment: TENANCY.to_owned(),
        statements: statements.iter().map(|text| parse_statement(text).unwrap()).collect(),
    };
    let principal = external();
    let access = Access {
        principal: &principal,
        groups: &[],
        permission: "BUCKET_READ",
        compartment: "ci",
        variables: &BTreeMap::new(),
    };
    let decision = evaluate(&[policy], &compartments(), &access);
    let refusal = decision.refusal().unwrap();
    assert_eq!(refusal.clause, "condition");
    assert_eq!(refusal.seen, "request.principal.ext_repository is 'Org/Repo'");
    assert!(refusal.wanted.starts_with("request.principal.ext_repository = 'org/other'"), "{}", refusal.wanted);
    assert!(refusal.wanted.contains(statements[1]), "{}", refusal.wanted);
}

#[test]
fn a_statement_for_another_type_of_principal_did_not_come_close() {
    let statement = "Allow any-user to read buckets in tenancy where all {request.principal.namespace = 'x', request.principal.type = 'workload'}";
    let clause = |principal| Question::of(statement).by(principal, Vec::new()).decide().refusal().unwrap().clause;
    assert_eq!((clause(instance()), clause(pod())), ("policy", "condition"));
}

#[test]
fn without_a_statement_the_refusal_offers_one_that_parses() {
    for (principal, groups) in [
        (instance(), vec![group("runners", true)]),
        (instance(), Vec::new()),
        (user(), vec![group("deployers", false)]),
    ] {
        let decision = evaluate(
            &[],
            &compartments(),
            &Access {
                principal: &principal,
                groups: &groups,
                permission: "BUCKET_CREATE",
                compartment: "ci",
                variables: &BTreeMap::new(),
            },
        );
        let refusal = decision.refusal().unwrap();
        assert_eq!((refusal.clause, refusal.code.as_str()), ("policy", NOT_AUTHORIZED_OR_NOT_FOUND));
        let offered = refusal.fix.split_once("such as: ").unwrap().1;
        let question = Question { permission: "BUCKET_CREATE", ..Question::of(offered) };
        assert!(question.by(principal, groups).allowed(), "{offered}");
    }
}

#[test]
fn every_instance_may_list_compartments() {
    let ask = |permission| {
        let question = Question { permission, ..Question::of("Allow group nobody to read buckets in tenancy") };
        question.by(instance(), Vec::new()).allowed()
    };
    assert!(ask("COMPARTMENT_INSPECT"));
    assert!(!ask("COMPARTMENT_READ"));
    let question =
        Question { permission: "COMPARTMENT_INSPECT", ..Question::of("Allow group x to read buckets in tenancy") };
    assert!(!question.allowed());
}
