{{- define "sessionfs.name" -}}
{{- if contains "sessionfs" .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-sessionfs" .Release.Name | trunc 52 | trimSuffix "-" }}{{ end -}}
{{- end -}}

{{- define "sessionfs.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "sessionfs.name" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "sessionfs.selector" -}}
app.kubernetes.io/name: sessionfs
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sessionfs.labels" -}}
{{ include "sessionfs.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}
