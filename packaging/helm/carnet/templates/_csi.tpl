{{- /* The CSI driver of the node, beside the agent whose socket it shows, and what tells the kubelet of it. */}}
{{- define "carnet.csi.containers" -}}
{{- $csi := .Values.csi -}}
- name: csi
  image: {{ include "carnet.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    - csi
    - --endpoint
    - unix:///csi/csi.sock
    - --driver-name
    - {{ $csi.driverName }}
    - --node-id
    - $(NODE_NAME)
    - --workload-socket
    - {{ .Values.agent.socketDirectory }}/api.sock
    - --kubelet-dir
    - {{ $csi.kubeletDirectory }}
  env:
    - name: NODE_NAME
      valueFrom:
        fieldRef: { fieldPath: spec.nodeName }
    {{- with include "carnet.environment" . }}
    {{- . | nindent 4 }}
    {{- end }}
  securityContext:
    # The kernel lets nobody else mount, and Kubernetes lets no other container pass its mounts on to the node.
    privileged: true
    runAsUser: 0
    runAsGroup: 0
    readOnlyRootFilesystem: true
  resources:
    {{- toYaml $csi.resources | nindent 4 }}
  volumeMounts:
    - { name: plugin, mountPath: /csi }
    - { name: sockets, mountPath: {{ .Values.agent.socketDirectory }}, readOnly: true }
    - { name: pods, mountPath: {{ $csi.kubeletDirectory }}/pods, mountPropagation: Bidirectional }
- name: registrar
  image: {{ $csi.registrar.image }}
  imagePullPolicy: IfNotPresent
  args:
    - --csi-address=/csi/csi.sock
    - --kubelet-registration-path={{ $csi.kubeletDirectory }}/plugins/{{ $csi.driverName }}/csi.sock
    - --http-endpoint=:9809
  ports:
    - { name: registrar, containerPort: 9809 }
  livenessProbe:
    httpGet: { path: /healthz, port: registrar }
    initialDelaySeconds: 5
    periodSeconds: 20
    timeoutSeconds: 5
  securityContext:
    runAsUser: 0
    runAsGroup: 0
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities:
      drop: [ALL]
    {{- if .Values.openshift }}
    seLinuxOptions: { type: spc_t }
    {{- end }}
  resources:
    {{- toYaml $csi.registrar.resources | nindent 4 }}
  volumeMounts:
    - { name: plugin, mountPath: /csi }
    - { name: registration, mountPath: /registration }
{{- end }}

{{- define "carnet.csi.volumes" -}}
- name: plugin
  hostPath: { path: {{ .Values.csi.kubeletDirectory }}/plugins/{{ .Values.csi.driverName }}, type: DirectoryOrCreate }
- name: registration
  hostPath: { path: {{ .Values.csi.kubeletDirectory }}/plugins_registry, type: Directory }
- name: pods
  hostPath: { path: {{ .Values.csi.kubeletDirectory }}/pods, type: Directory }
{{- end }}
