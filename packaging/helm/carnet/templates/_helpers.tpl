{{- define "carnet.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "carnet.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "carnet.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "carnet.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- /* Takes (list CONTEXT COMPONENT). */}}
{{- define "carnet.component" -}}
{{- printf "%s-%s" (include "carnet.fullname" (index . 0)) (index . 1) -}}
{{- end }}

{{- define "carnet.selector" -}}
app.kubernetes.io/name: {{ include "carnet.name" (index . 0) }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "carnet.labels" -}}
{{ include "carnet.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/part-of: carnet
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
{{- end }}

{{- define "carnet.metadata" -}}
name: {{ include "carnet.component" . }}
namespace: {{ (index . 0).Release.Namespace }}
labels:
  {{- include "carnet.labels" . | nindent 2 }}
{{- end }}

{{- define "carnet.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{- /* A text or a list of texts as TOML: what JSON escapes, TOML understands (TOML 1.0, basic strings). */}}
{{- define "carnet.toml" -}}
{{- . | toJson -}}
{{- end }}

{{- define "carnet.issuerHost" -}}
{{- (urlParse .Values.issuer).hostname -}}
{{- end }}

{{- define "carnet.postgres" -}}
{{- if .Values.authority.store.url }}yes{{ end -}}
{{- end }}

{{- /* Pods that need no right at all, by the standard `restricted`. OpenShift chooses the user from a range of the namespace. */}}
{{- define "carnet.podSecurity" -}}
runAsNonRoot: true
{{- if not .Values.openshift }}
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
{{- end }}
{{- /* Otherwise each start would let the group write the store and its key, and the next start would refuse them. */}}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "carnet.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- /* Takes the name of the port. */}}
{{- define "carnet.probes" -}}
startupProbe:
  httpGet: { path: /livez, port: {{ . }} }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /livez, port: {{ . }} }
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: { path: /readyz, port: {{ . }} }
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}

{{- /* Takes (list CONTEXT SECTION-OF-VALUES): where pods run, and how much they matter. */}}
{{- define "carnet.placement" -}}
{{- $section := index . 1 -}}
{{- with (index . 0).Values.imagePullSecrets -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $section.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $section.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $section.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $section.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Several equal pods: not all on one node, not all in one zone. */}}
{{- define "carnet.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "carnet.selector" . | nindent 8 }}
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "carnet.selector" . | nindent 8 }}
{{- end }}

{{- define "carnet.environment" -}}
{{- with .Values.logFilter -}}
- name: CARNET_LOG
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{- /* Takes (list CONTEXT COMPONENT SECTION): Ingress, or Route with the right to read its certificate. */}}
{{- define "carnet.exposure" -}}
{{- $context := index . 0 -}}
{{- $section := index . 2 -}}
{{- $host := include "carnet.issuerHost" $context -}}
{{- if $section.ingress.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "carnet.metadata" . | nindent 2 }}
  {{- with $section.ingress.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with $section.ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- $at := default $host $section.ingress.host }}
  rules:
    - host: {{ $at }}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: {{ include "carnet.component" . }}
                port: { name: public }
  {{- with $section.ingress.tlsSecretName }}
  tls:
    - hosts: [{{ $at }}]
      secretName: {{ . }}
  {{- end }}
{{- end }}
{{- if $section.route.managed }}
---
apiVersion: route.openshift.io/v1
kind: Route
metadata:
  {{- include "carnet.metadata" . | nindent 2 }}
spec:
  host: {{ default $host $section.route.host }}
  to:
    kind: Service
    name: {{ include "carnet.component" . }}
    weight: 100
  port:
    targetPort: public
  tls:
    termination: {{ ternary "reencrypt" "edge" (not (empty $section.tls.secretName)) }}
    insecureEdgeTerminationPolicy: Redirect
    {{- with $section.route.externalCertificate }}
    externalCertificate:
      name: {{ . }}
    {{- end }}
  wildcardPolicy: None
{{- with $section.route.externalCertificate }}
---
# The router reads the secret in the name of its own account.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ include "carnet.component" $ }}-certificate
  namespace: {{ $context.Release.Namespace }}
  labels:
    {{- include "carnet.labels" $ | nindent 4 }}
rules:
  - apiGroups: [""]
    resources: [secrets]
    resourceNames: [{{ . }}]
    verbs: [get, list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ include "carnet.component" $ }}-certificate
  namespace: {{ $context.Release.Namespace }}
  labels:
    {{- include "carnet.labels" $ | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "carnet.component" $ }}-certificate
subjects:
  - kind: ServiceAccount
    name: router
    namespace: openshift-ingress
{{- end }}
{{- end }}
{{- end }}

{{- /* Takes (list CONTEXT COMPONENT SECTION). */}}
{{- define "carnet.budget" -}}
{{- $section := index . 2 -}}
{{- if gt (int $section.replicas) 1 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "carnet.metadata" . | nindent 2 }}
spec:
  {{- toYaml $section.podDisruptionBudget | nindent 2 }}
  selector:
    matchLabels:
      {{- include "carnet.selector" . | nindent 6 }}
{{- end }}
{{- end }}

{{- /* Takes (list CONTEXT COMPONENT): a Service for metrics alone, and who scrapes it. */}}
{{- define "carnet.metrics" -}}
{{- $context := index . 0 -}}
{{- if $context.Values.metrics.serviceMonitor.enabled }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ include "carnet.component" . }}-metrics
  namespace: {{ $context.Release.Namespace }}
  labels:
    {{- include "carnet.labels" . | nindent 4 }}
    carnet-metrics: "true"
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    {{- include "carnet.selector" . | nindent 4 }}
  ports:
    - name: diagnostics
      port: 9090
      targetPort: diagnostics
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ include "carnet.component" . }}
  namespace: {{ $context.Release.Namespace }}
  labels:
    {{- include "carnet.labels" . | nindent 4 }}
    {{- with $context.Values.metrics.serviceMonitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "carnet.selector" . | nindent 6 }}
      carnet-metrics: "true"
  endpoints:
    - port: diagnostics
      path: /metrics
      interval: {{ $context.Values.metrics.serviceMonitor.interval }}
{{- end }}
{{- end }}
