{{- define "carnet.operator.config" -}}
{{- $operator := .Values.operator -}}
version = 1

[operator]
manage = ["workloads"]
image = {{ include "carnet.toml" (include "carnet.image" .) }}
registrar_image = {{ include "carnet.toml" .Values.csi.registrar.image }}
namespaces = {{ include "carnet.toml" (default (list .Release.Namespace) $operator.namespaces) }}
lease = {{ include "carnet.toml" (include "carnet.component" (list . "operator")) }}
diagnostics = "0.0.0.0:9090"
{{- with $operator.extraConfig }}

{{ . | trim }}
{{- end }}
{{- end }}

{{- /* The registrar beside an authority keeps entries and rules of custom resources true over the authority's own socket. */}}
{{- define "carnet.registrar.config" -}}
version = 1

[operator]
manage = ["registrations"]
lease = {{ include "carnet.toml" (printf "%s-registrations" (include "carnet.component" (list . "authority"))) }}
parent_id = {{ include "carnet.toml" (printf "spiffe://%s/nodes/%s" .Values.trustDomain .Values.clusterName) }}
authority = { socket = "/run/carnet/authority.sock" }
diagnostics = "0.0.0.0:9091"
{{- end }}

{{- define "carnet.registrar.rules" -}}
- apiGroups: [carnet.dev]
  resources: [registrationentries, clusterregistrationentries, trustrules]
  verbs: [get, list, watch, patch]
- apiGroups: [carnet.dev]
  resources: [registrationentries/status, clusterregistrationentries/status, trustrules/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
# By its UID clusters are told apart.
- apiGroups: [""]
  resources: [namespaces]
  resourceNames: [kube-system]
  verbs: [get]
{{- end }}

{{- define "carnet.lease.rules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, update]
{{- end }}

{{- /* What the operator does in the namespaces that it keeps. */}}
{{- define "carnet.operator.namespaced" -}}
- apiGroups: [carnet.dev]
  resources: [authorities, agents, discoveryproviders]
  verbs: [get, list, watch, patch]
- apiGroups: [carnet.dev]
  resources: [authorities/status, agents/status, discoveryproviders/status]
  verbs: [patch]
# Where admission looks at it (OwnerReferencesPermissionEnforcement), what is made may only then hold its owner back.
- apiGroups: [carnet.dev]
  resources: [authorities/finalizers, agents/finalizers, discoveryproviders/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts, services]
  verbs: [get, create, patch, delete]
- apiGroups: [apps]
  resources: [daemonsets, deployments, statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, create, patch, delete]
{{ include "carnet.lease.rules" . }}
{{- if .Values.operator.routes }}
- apiGroups: [route.openshift.io]
  resources: [routes, routes/custom-host]
  verbs: [get, create, patch, update, delete]
{{- end }}
{{- if .Values.operator.secrets }}
# It looks whether Secrets are there, and what it gives to the router it must have itself.
- apiGroups: [""]
  resources: [secrets]
  verbs: {{ ternary "[get, list, watch]" "[get]" .Values.operator.routes }}
{{- end }}
{{- end }}

{{- /* What is in no namespace. Nobody can give rights that he does not have: those of authorities and agents are here, too. */}}
{{- define "carnet.operator.cluster" -}}
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterroles, clusterrolebindings]
  verbs: [get, list, create, patch, delete]
- apiGroups: [storage.k8s.io]
  resources: [csidrivers]
  verbs: [get, list, create, patch, delete]
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
- apiGroups: [""]
  resources: [{{ include "carnet.agent.permission" . }}]
  verbs: [get]
{{ include "carnet.registrar.rules" . }}
{{- end }}

{{- define "carnet.operator.pod" -}}
{{- $operator := .Values.operator -}}
metadata:
  labels:
    {{- include "carnet.labels" (list . "operator") | nindent 4 }}
  annotations:
    checksum/config: {{ include "carnet.operator.config" . | sha256sum }}
    {{- with $operator.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "carnet.component" (list . "operator") }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  {{- with include "carnet.placement" (list . $operator) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  securityContext:
    {{- include "carnet.podSecurity" . | nindent 4 }}
  containers:
    - name: operator
      image: {{ include "carnet.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [operator, --config, /etc/carnet/carnet.toml]
      {{- with include "carnet.environment" . }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      ports:
        - { name: diagnostics, containerPort: 9090 }
      {{- include "carnet.probes" "diagnostics" | nindent 6 }}
      securityContext:
        {{- include "carnet.containerSecurity" . | nindent 8 }}
      resources:
        {{- toYaml $operator.resources | nindent 8 }}
      volumeMounts:
        - { name: config, mountPath: /etc/carnet, readOnly: true }
  volumes:
    - name: config
      configMap:
        name: {{ include "carnet.component" (list . "operator") }}
{{- end }}
