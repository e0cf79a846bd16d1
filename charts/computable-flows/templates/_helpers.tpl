{{- define "computable-flows.name" -}}
{{- if contains "computable-flows" .Release.Name }}{{ .Release.Name | trunc 53 }}{{ else }}{{ printf "%s-computable-flows" .Release.Name | trunc 53 }}{{ end }}
{{- end }}

{{- define "computable-flows.selector" -}}
app.kubernetes.io/name: computable-flows
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "computable-flows.labels" -}}
{{ include "computable-flows.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "computable-flows.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "computable-flows.env" -}}
- {name: CFLOW_ENGINE_IMAGE, value: {{ .Values.engine.image | quote }}}
- {name: CFLOW_ENGINE_RESOURCES, value: {{ .Values.engine.resources | toJson | quote }}}
- {name: CFLOW_NAMESPACES, value: {{ join "," .Values.watchNamespaces | quote }}}
- {name: CFLOW_LEASE, value: {{ include "computable-flows.name" . }}}
- name: CFLOW_POD
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: CFLOW_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- {name: CFLOW_LOG_LEVEL, value: {{ .Values.logLevel | quote }}}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "computable-flows.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "computable-flows.user" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* What the operator may do: its own group, Jobs, claims, ConfigMaps and Events; pods it only reads. */}}
{{- define "computable-flows.rules" -}}
- apiGroups: [computableflow.dev]
  resources: [computableflows]
  verbs: [get, list, watch]
- apiGroups: [computableflow.dev]
  resources: [computableflows/status]
  verbs: [patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, patch]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [get, list, create, patch]
- apiGroups: [kueue.x-k8s.io]
  resources: [workloads]
  verbs: [list]
{{- end }}
