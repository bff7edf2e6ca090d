{{- define "carnet.discovery.config" -}}
{{- $discovery := .Values.discovery -}}
{{- $source := $discovery.source -}}
version = 1

[discovery]
issuer = {{ include "carnet.toml" .Values.issuer }}
domains = {{ include "carnet.toml" (prepend $discovery.domains (include "carnet.issuerHost" .) | uniq) }}
{{- if $discovery.tls.secretName }}
listen = { tls = { address = "0.0.0.0:8443", certificate = "/etc/carnet-tls/tls.crt", private_key = "/etc/carnet-tls/tls.key" } }
{{- else }}
listen = { plain = { address = "0.0.0.0:8080" } }
{{- end }}
diagnostics = "0.0.0.0:9090"
max_age = {{ include "carnet.toml" $discovery.maxAge }}
{{- with $discovery.trustedProxies }}
trusted_proxies = {{ include "carnet.toml" . }}
{{- end }}

{{ if $source.bundleEndpoint.url -}}
[discovery.source.url]
url = {{ include "carnet.toml" $source.bundleEndpoint.url }}
trust_domain = {{ include "carnet.toml" .Values.trustDomain }}
{{- with $source.bundleEndpoint.endpointId }}
profile = { type = "https_spiffe", endpoint_spiffe_id = {{ include "carnet.toml" . }} }
{{- end }}
{{- if $source.bundleEndpoint.bootstrapConfigMap.name }}
bootstrap = "/etc/carnet-bundle/bundle.json"
{{- end }}
{{- else if $source.configMap.name -}}
[discovery.source.file]
path = "/etc/carnet-bundle/bundle.json"
trust_domain = {{ include "carnet.toml" .Values.trustDomain }}
{{- else -}}
[discovery.source.workload-api]
address = "unix:///run/workload-api/{{ $source.workloadApi.socket }}"
trust_domain = {{ include "carnet.toml" .Values.trustDomain }}
{{- end }}
{{- with $discovery.extraConfig }}

{{ . | trim }}
{{- end }}
{{- end }}

{{- define "carnet.discovery.bundle" -}}
{{- $source := .Values.discovery.source -}}
{{- if $source.bundleEndpoint.url -}}
{{- toJson $source.bundleEndpoint.bootstrapConfigMap -}}
{{- else -}}
{{- toJson $source.configMap -}}
{{- end -}}
{{- end }}

{{- define "carnet.discovery.pod" -}}
{{- $discovery := .Values.discovery -}}
{{- $bundle := include "carnet.discovery.bundle" . | fromJson -}}
{{- $workload := not (or $discovery.source.bundleEndpoint.url $discovery.source.configMap.name) -}}
metadata:
  labels:
    {{- include "carnet.labels" (list . "discovery") | nindent 4 }}
    {{- if $workload }}
    # It asks the Workload API for the bundle, as a workload with an identity.
    carnet-identity: enabled
    {{- end }}
  annotations:
    checksum/config: {{ include "carnet.discovery.config" . | sha256sum }}
    {{- with $discovery.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "carnet.component" (list . "discovery") }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with include "carnet.placement" (list . $discovery) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- include "carnet.spread" (list . "discovery") | nindent 2 }}
  securityContext:
    {{- include "carnet.podSecurity" . | nindent 4 }}
  containers:
    - name: discovery
      image: {{ include "carnet.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [discovery, --config, /etc/carnet/carnet.toml]
      {{- with include "carnet.environment" . }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      ports:
        - { name: public, containerPort: {{ ternary 8443 8080 (not (empty $discovery.tls.secretName)) }} }
        - { name: diagnostics, containerPort: 9090 }
      {{- include "carnet.probes" "diagnostics" | nindent 6 }}
      lifecycle:
        preStop:
          sleep: { seconds: 5 }
      securityContext:
        {{- include "carnet.containerSecurity" . | nindent 8 }}
      resources:
        {{- toYaml $discovery.resources | nindent 8 }}
      volumeMounts:
        - { name: config, mountPath: /etc/carnet, readOnly: true }
        {{- if $bundle.name }}
        - { name: bundle, mountPath: /etc/carnet-bundle, readOnly: true }
        {{- end }}
        {{- if $workload }}
        - { name: workload-api, mountPath: /run/workload-api, readOnly: true }
        {{- end }}
        {{- if $discovery.tls.secretName }}
        - { name: tls, mountPath: /etc/carnet-tls, readOnly: true }
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "carnet.component" (list . "discovery") }}
    {{- if $bundle.name }}
    - name: bundle
      configMap:
        name: {{ $bundle.name }}
        items: [{ key: {{ $bundle.key }}, path: bundle.json }]
    {{- end }}
    {{- if $workload }}
    - name: workload-api
      csi: { driver: {{ default .Values.csi.driverName $discovery.source.workloadApi.driver }}, readOnly: true }
    {{- end }}
    {{- if $discovery.tls.secretName }}
    - name: tls
      secret:
        secretName: {{ $discovery.tls.secretName }}
    {{- end }}
{{- end }}

{{- define "carnet.discovery.publicPort" -}}
{{- if .Values.discovery.service.port -}}
{{ int .Values.discovery.service.port }}
{{- else -}}
{{ ternary 443 80 (not (empty .Values.discovery.tls.secretName)) }}
{{- end -}}
{{- end }}
