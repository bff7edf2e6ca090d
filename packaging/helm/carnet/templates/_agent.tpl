{{- define "carnet.agent.config" -}}
{{- $agent := .Values.agent -}}
version = 1

[agent]
trust_domain = {{ include "carnet.toml" .Values.trustDomain }}
authority = {{ include "carnet.toml" (default (printf "https://%s.%s.svc:%d" (include "carnet.component" (list . "authority")) .Release.Namespace (int .Values.authority.service.nodesPort)) $agent.authority) }}
attest = { k8s = { cluster = {{ include "carnet.toml" .Values.clusterName }}, token_file = "/var/run/secrets/carnet/token" } }
{{- if $agent.bootstrap.insecure }}
insecure_bootstrap = true
{{- else }}
bootstrap_bundle = "/etc/carnet-bundle/bundle.json"
{{- end }}
socket = "{{ $agent.socketDirectory }}/api.sock"
state_directory = "/var/lib/carnet/agent"
diagnostics = "0.0.0.0:9090"
systemd = false

[agent.unix]
path = {{ $agent.unixPath }}

[agent.kubernetes]
kubelet = "https://{{ ternary "[${NODE_ADDRESS}]" "${NODE_ADDRESS}" $agent.kubelet.ipv6 }}:{{ int $agent.kubelet.port }}/pods"
{{- if $agent.kubelet.skipVerification }}
skip_verification = true
{{- end }}
{{- with $agent.extraConfig }}

{{ . | trim }}
{{- end }}
{{- end }}

{{- /* `nodes/pods` since Kubernetes 1.33 (KEP 2862, beta and on by default). The right `nodes/proxy` lets its owner run commands in
every pod of the node. */}}
{{- define "carnet.agent.permission" -}}
{{- $wanted := .Values.agent.kubelet.permission -}}
{{- if eq $wanted "auto" -}}
{{- ternary "nodes/pods" "nodes/proxy" (semverCompare ">=1.33.0-0" .Capabilities.KubeVersion.Version) -}}
{{- else -}}
nodes/{{ $wanted }}
{{- end -}}
{{- end }}

{{- define "carnet.agent.pod" -}}
{{- $agent := .Values.agent -}}
metadata:
  labels:
    {{- include "carnet.labels" (list . "agent") | nindent 4 }}
  annotations:
    checksum/config: {{ include "carnet.agent.config" . | sha256sum }}
    {{- with $agent.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "carnet.component" (list . "agent") }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  # It looks at the processes of other pods.
  hostPID: true
  {{- with include "carnet.placement" (list . $agent) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  securityContext:
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: agent
      image: {{ include "carnet.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [agent, --config, /etc/carnet/carnet.toml]
      env:
        - name: NODE_ADDRESS
          valueFrom:
            fieldRef: { fieldPath: status.hostIP }
        {{- with include "carnet.environment" . }}
        {{- . | nindent 8 }}
        {{- end }}
      ports:
        - { name: diagnostics, containerPort: 9090 }
      {{- include "carnet.probes" "diagnostics" | nindent 6 }}
      securityContext:
        {{- if $agent.securityContext }}
        {{- toYaml $agent.securityContext | nindent 8 }}
        {{- else }}
        runAsUser: 0
        runAsGroup: 0
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
          {{- if $agent.unixPath }}
          # Paths of other users' executables.
          add: [SYS_PTRACE, DAC_READ_SEARCH]
          {{- end }}
        {{- if .Values.openshift }}
        seLinuxOptions: { type: spc_t }
        {{- end }}
        {{- end }}
      resources:
        {{- toYaml $agent.resources | nindent 8 }}
      volumeMounts:
        - { name: config, mountPath: /etc/carnet, readOnly: true }
        {{- if not $agent.bootstrap.insecure }}
        - { name: bundle, mountPath: /etc/carnet-bundle, readOnly: true }
        {{- end }}
        - { name: token, mountPath: /var/run/secrets/carnet, readOnly: true }
        - { name: state, mountPath: /var/lib/carnet }
        - { name: sockets, mountPath: {{ $agent.socketDirectory }} }
    {{- if .Values.csi.enabled }}
    {{- include "carnet.csi.containers" . | nindent 4 }}
    {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "carnet.component" (list . "agent") }}
    {{- if not $agent.bootstrap.insecure }}
    - name: bundle
      configMap:
        name: {{ $agent.bootstrap.configMap.name }}
        items: [{ key: {{ $agent.bootstrap.configMap.key }}, path: bundle.json }]
    {{- end }}
    - name: token
      projected:
        sources:
          - serviceAccountToken:
              path: token
              audience: {{ .Values.authority.nodeAttestation.audience }}
              expirationSeconds: 3600
    # The node proves again what it is after a start, so its key need not be on a disk.
    - name: state
      emptyDir: { medium: Memory, sizeLimit: 16Mi }
    - name: sockets
      hostPath: { path: {{ $agent.socketDirectory }}, type: DirectoryOrCreate }
    {{- if .Values.csi.enabled }}
    {{- include "carnet.csi.volumes" . | nindent 4 }}
    {{- end }}
{{- end }}
