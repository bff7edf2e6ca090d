{{- /* What the schema of values cannot say. */}}
{{- define "carnet.checks" -}}
{{- $authority := .Values.authority -}}
{{- $discovery := .Values.discovery -}}
{{- $host := include "carnet.issuerHost" . -}}
{{- if and $authority.enabled $discovery.enabled -}}
{{- if and $authority.ingress.enabled $discovery.ingress.enabled (eq (default $host $authority.ingress.host) (default $host $discovery.ingress.host)) -}}
{{- fail "authority.ingress and discovery.ingress have the same host: give one of them another, or only one of them an Ingress" -}}
{{- end -}}
{{- if and $authority.route.managed $discovery.route.managed (eq (default $host $authority.route.host) (default $host $discovery.route.host)) -}}
{{- fail "authority.route and discovery.route have the same host: give one of them another, or only one of them a Route" -}}
{{- end -}}
{{- end -}}
{{- end }}
