{{- define "carnet.metricsFrom" -}}
{{- with .metricsFrom -}}
- ports: [{ port: diagnostics, protocol: TCP }]
  from:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}

{{- define "carnet.dns" -}}
- ports:
    - { port: 53, protocol: UDP }
    - { port: 53, protocol: TCP }
{{- end }}

{{- /* The port of an https URL. */}}
{{- define "carnet.urlPort" -}}
{{- $host := (urlParse .).host -}}
{{- if regexMatch ":[0-9]+$" $host -}}{{ regexFind "[0-9]+$" $host }}{{- else -}}443{{- end -}}
{{- end }}

{{- define "carnet.agent.authorityPort" -}}
{{- if .Values.agent.authority -}}{{ include "carnet.urlPort" .Values.agent.authority }}{{- else -}}8443{{- end -}}
{{- end }}
