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
{{- end }}

{{- define "computable-flows.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
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
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [get, list, create, patch]
{{- end }}
