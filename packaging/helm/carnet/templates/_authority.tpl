{{- /* The authority's configuration. Files are named one by one: the folder of a ConfigMap has a mode by which everybody may write in
it, and carnet takes no rules from such a folder. */}}
{{- define "carnet.authority.config" -}}
{{- $authority := .Values.authority -}}
{{- $entries := list -}}
{{- if $authority.nodeAttestation.enabled -}}
{{- $entries = append $entries "/etc/carnet/nodes.toml" -}}
{{- end -}}
{{- range $name := keys $authority.entries | sortAlpha -}}
{{- $entries = append $entries (printf "/etc/carnet/entries-%s" $name) -}}
{{- end -}}
{{- $rules := list -}}
{{- range $name := keys $authority.rules | sortAlpha -}}
{{- $rules = append $rules (printf "/etc/carnet/rules-%s" $name) -}}
{{- end -}}
version = 1

[authority]
issuer = {{ include "carnet.toml" .Values.issuer }}
trust_domain = {{ include "carnet.toml" .Values.trustDomain }}
entries = {{ include "carnet.toml" $entries }}
rules = {{ include "carnet.toml" $rules }}

[authority.store]
{{- if include "carnet.postgres" . }}
url = {{ include "carnet.toml" $authority.store.url }}
{{- if $authority.store.passwordSecret.name }}
password_file = "/run/carnet-secrets/store-password"
{{- end }}
{{- else }}
url = "sqlite:/var/lib/carnet/data/authority.db"
{{- end }}

[authority.keys]
algorithms = {{ include "carnet.toml" $authority.keys.algorithms }}
x509_algorithm = {{ include "carnet.toml" $authority.keys.x509Algorithm }}
lifetime_seconds = {{ int $authority.keys.lifetimeSeconds }}
{{- if $authority.sealSecret.name }}
seal = { passphrase_file = "/run/carnet-secrets/seal-passphrase" }
{{- else }}
seal = { key_file = "/var/lib/carnet/data/seal.key" }
{{- end }}

[authority.tokens]
access_token_seconds = {{ int $authority.tokens.accessTokenSeconds }}
jwt_svid_seconds = {{ int $authority.tokens.jwtSvidSeconds }}
x509_svid_seconds = {{ int $authority.tokens.x509SvidSeconds }}

[authority.listen]
public = "0.0.0.0:8080"
{{- if $authority.tls.secretName }}
tls = { certificate = "/etc/carnet-tls/tls.crt", key = "/etc/carnet-tls/tls.key" }
{{- else }}
behind_proxy = true
{{- end }}
{{- with $authority.trustedProxies }}
trusted_proxies = {{ include "carnet.toml" . }}
{{- end }}
nodes = "0.0.0.0:8443"
{{- if $authority.bundleEndpoint }}
bundle = "0.0.0.0:8444"
{{- end }}
admin = "/run/carnet/authority.sock"
{{- with $authority.adminIds }}
admin_ids = {{ include "carnet.toml" . }}
{{- end }}
diagnostics = "0.0.0.0:9090"

[authority.attest]
join_token = {{ $authority.joinTokens }}
{{- if $authority.nodeAttestation.enabled }}

[authority.attest.k8s.{{ include "carnet.toml" .Values.clusterName }}]
audience = {{ include "carnet.toml" $authority.nodeAttestation.audience }}
service_accounts = {{ include "carnet.toml" (default (list (printf "%s:%s" .Release.Namespace (include "carnet.component" (list . "agent")))) $authority.nodeAttestation.serviceAccounts) }}

[authority.attest.k8s.{{ include "carnet.toml" .Values.clusterName }}.token_review]
url = "https://kubernetes.default.svc"
ca_file = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
token_file = "/var/run/secrets/kubernetes.io/serviceaccount/token"
{{- end }}
{{- range $domain, $peer := $authority.federatesWith }}

[authority.federates_with.{{ include "carnet.toml" $domain }}]
url = {{ include "carnet.toml" $peer.url }}
{{- with $peer.endpointId }}
endpoint_id = {{ include "carnet.toml" . }}
{{- end }}
{{- end }}
{{- with $authority.extraConfig }}

{{ . | trim }}
{{- end }}
{{- end }}

{{- /* All nodes of the cluster are a group, and the entry below it is a template (manual, "Entries"). */}}
{{- define "carnet.authority.nodes" -}}
[[entry]]
spiffe_id = "spiffe://{{ .Values.trustDomain }}/nodes/{{ .Values.clusterName }}"
parent_id = "spiffe://{{ .Values.trustDomain }}/carnet/authority"
selectors = ["k8s:cluster:{{ .Values.clusterName }}"]
{{- if .Values.authority.podIdentities.enabled }}

[[entry]]
spiffe_id = "spiffe://{{ .Values.trustDomain }}/ns/{k8s:ns}/sa/{k8s:sa}"
parent_id = "spiffe://{{ .Values.trustDomain }}/nodes/{{ .Values.clusterName }}"
selectors = {{ include "carnet.toml" .Values.authority.podIdentities.selectors }}
{{- end }}
{{- end }}

{{- /* A Secret's files belong to root and can be read by the pod's group, and carnet takes no secret that others can read: so each is
copied into memory, for this user only. */}}
{{- define "carnet.authority.copy" -}}
{{- $context := index . 0 -}}
- name: {{ index . 1 }}
  image: {{ include "carnet.image" $context }}
  imagePullPolicy: {{ $context.Values.image.pullPolicy }}
  args:
    - get
    - --quiet
    - --from
    - file
    - path=/etc/carnet-secrets/{{ index . 1 }}/secret
    - kind=access-token
    - --deliver
    - token-file
    - path=/run/carnet-secrets/{{ index . 1 }}
  securityContext:
    {{- include "carnet.containerSecurity" $context | nindent 4 }}
  resources:
    requests: { cpu: 10m, memory: 16Mi }
    limits: { memory: 64Mi }
  volumeMounts:
    - name: {{ index . 1 }}
      mountPath: /etc/carnet-secrets/{{ index . 1 }}
      readOnly: true
    - name: secrets
      mountPath: /run/carnet-secrets
{{- end }}

{{- define "carnet.authority.pod" -}}
{{- $authority := .Values.authority -}}
{{- $password := and (include "carnet.postgres" .) $authority.store.passwordSecret.name -}}
{{- $ca := and (include "carnet.postgres" .) $authority.store.caConfigMap.name -}}
metadata:
  labels:
    {{- include "carnet.labels" (list . "authority") | nindent 4 }}
  annotations:
    # Rules and entries are read again when they change; the rest counts from the next start.
    checksum/config: {{ printf "%s%s" (include "carnet.authority.config" .) (ternary (include "carnet.registrar.config" .) "" $authority.registers) | sha256sum }}
    {{- with $authority.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "carnet.component" (list . "authority") }}
  automountServiceAccountToken: {{ or $authority.nodeAttestation.enabled $authority.registers }}
  enableServiceLinks: false
  {{- with include "carnet.placement" (list . $authority) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- if include "carnet.postgres" . }}
  {{- include "carnet.spread" (list . "authority") | nindent 2 }}
  {{- end }}
  securityContext:
    {{- include "carnet.podSecurity" . | nindent 4 }}
  {{- if or $password $authority.sealSecret.name }}
  initContainers:
    {{- if $password }}
    {{- include "carnet.authority.copy" (list . "store-password") | nindent 4 }}
    {{- end }}
    {{- if $authority.sealSecret.name }}
    {{- include "carnet.authority.copy" (list . "seal-passphrase") | nindent 4 }}
    {{- end }}
  {{- end }}
  containers:
    - name: authority
      image: {{ include "carnet.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [authority, --config, /etc/carnet/carnet.toml]
      env:
        - name: CARNET_AUTHORITY_SOCKET
          value: /run/carnet/authority.sock
        {{- if $ca }}
        - name: CARNET_CA_FILE
          value: /etc/carnet-store/ca.crt
        {{- end }}
        {{- with include "carnet.environment" . }}
        {{- . | nindent 8 }}
        {{- end }}
      ports:
        - { name: public, containerPort: 8080 }
        - { name: nodes, containerPort: 8443 }
        {{- if $authority.bundleEndpoint }}
        - { name: bundle, containerPort: 8444 }
        {{- end }}
        - { name: diagnostics, containerPort: 9090 }
      {{- include "carnet.probes" "diagnostics" | nindent 6 }}
      lifecycle:
        # The Service forgets a pod a moment after the pod is told to end.
        preStop:
          sleep: { seconds: 5 }
      securityContext:
        {{- include "carnet.containerSecurity" . | nindent 8 }}
      resources:
        {{- toYaml $authority.resources | nindent 8 }}
      volumeMounts:
        - { name: config, mountPath: /etc/carnet, readOnly: true }
        - { name: run, mountPath: /run/carnet }
        {{- if not (include "carnet.postgres" .) }}
        - { name: data, mountPath: /var/lib/carnet }
        {{- end }}
        {{- if or $password $authority.sealSecret.name }}
        - { name: secrets, mountPath: /run/carnet-secrets, readOnly: true }
        {{- end }}
        {{- if $ca }}
        - { name: store-ca, mountPath: /etc/carnet-store, readOnly: true }
        {{- end }}
        {{- if $authority.tls.secretName }}
        - { name: tls, mountPath: /etc/carnet-tls, readOnly: true }
        {{- end }}
    {{- if $authority.registers }}
    - name: registrar
      image: {{ include "carnet.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [operator, --config, /etc/carnet/operator.toml]
      {{- with include "carnet.environment" . }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      ports:
        - { name: registrar, containerPort: 9091 }
      {{- include "carnet.probes" "registrar" | nindent 6 }}
      securityContext:
        {{- include "carnet.containerSecurity" . | nindent 8 }}
      resources:
        {{- toYaml .Values.operator.resources | nindent 8 }}
      volumeMounts:
        - { name: config, mountPath: /etc/carnet, readOnly: true }
        - { name: run, mountPath: /run/carnet }
    {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "carnet.component" (list . "authority") }}
    - name: run
      emptyDir: { medium: Memory, sizeLimit: 1Mi }
    {{- if or $password $authority.sealSecret.name }}
    - name: secrets
      emptyDir: { medium: Memory, sizeLimit: 1Mi }
    {{- end }}
    {{- if $password }}
    - name: store-password
      secret:
        secretName: {{ $authority.store.passwordSecret.name }}
        items: [{ key: {{ $authority.store.passwordSecret.key }}, path: secret }]
    {{- end }}
    {{- if $authority.sealSecret.name }}
    - name: seal-passphrase
      secret:
        secretName: {{ $authority.sealSecret.name }}
        items: [{ key: {{ $authority.sealSecret.key }}, path: secret }]
    {{- end }}
    {{- if $ca }}
    - name: store-ca
      configMap:
        name: {{ $authority.store.caConfigMap.name }}
        items: [{ key: {{ $authority.store.caConfigMap.key }}, path: ca.crt }]
    {{- end }}
    {{- if $authority.tls.secretName }}
    - name: tls
      secret:
        secretName: {{ $authority.tls.secretName }}
    {{- end }}
{{- end }}

{{- define "carnet.authority.publicPort" -}}
{{- if .Values.authority.service.publicPort -}}
{{ int .Values.authority.service.publicPort }}
{{- else -}}
{{ ternary 443 80 (not (empty .Values.authority.tls.secretName)) }}
{{- end -}}
{{- end }}
