{{- define "credentiald.fullname" -}}
{{- if contains "credentiald" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-credentiald" (.Release.Name | trunc 28 | trimSuffix "-") -}}
{{- end -}}
{{- end }}

{{- define "credentiald.selector" -}}
app.kubernetes.io/name: credentiald
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "credentiald.labels" -}}
{{ include "credentiald.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "credentiald.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "credentiald.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "credentiald.fullname" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{- define "credentiald.claim" -}}
{{ .Values.store.embedded.existingClaim | default (include "credentiald.fullname" .) }}
{{- end }}

{{/* What every pod of the chart has. */}}
{{- define "credentiald.pod" -}}
serviceAccountName: {{ include "credentiald.serviceAccount" . }}
automountServiceAccountToken: false
# Variables for the Services of the namespace are of no use here.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "credentiald.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: ["ALL"]
{{- end }}

{{/* The settings that the chart makes, and on top of them those of the values. */}}
{{- define "credentiald.config" -}}
{{- $config := dict "server" (dict "listen" "0.0.0.0:50051") "metrics" (dict "listen" "0.0.0.0:9464") -}}
{{- if eq .Values.store.kind "postgres" -}}
{{- $_ := set $config "store" (dict "url_file" "/etc/credentiald/store/url") -}}
{{- else -}}
{{- $_ := set $config "store" (dict "url" "sqlite:/var/lib/credentiald/credentiald.db") -}}
{{- end -}}
{{- if .Values.tls.allowPlaintext -}}
{{- $_ := set $config.server "allow_plaintext" true -}}
{{- end -}}
{{- if .Values.tls.existingSecret -}}
{{- $tls := dict "certificate_file" "/etc/credentiald/tls/tls.crt" "key_file" "/etc/credentiald/tls/tls.key" -}}
{{- if .Values.tls.clientCaExistingSecret -}}
{{- $_ := set $tls "client_ca_file" "/etc/credentiald/client-ca/ca.crt" -}}
{{- $_ := set $tls "client_certificates" "optional" -}}
{{- end -}}
{{- if .Values.tls.clientCallers -}}
{{- $_ := set $tls "client_callers_file" "/etc/credentiald/config/callers" -}}
{{- end -}}
{{- $_ := set $config "tls" $tls -}}
{{- end -}}
{{- if .Values.service.httpPort -}}
{{- $_ := set $config "http" (dict "listen" "0.0.0.0:8080") -}}
{{- end -}}
{{- if .Values.pepper.existingSecret -}}
{{- $_ := set $config "pepper" (dict "keys_file" "/etc/credentiald/pepper/keys") -}}
{{- end -}}
{{- $config = mergeOverwrite $config (deepCopy .Values.config) -}}
{{- range $section := keys $config | sortAlpha }}
[{{ $section }}]
{{- $settings := get $config $section }}
{{- range $key := keys $settings | sortAlpha }}
{{- $value := get $settings $key }}
{{- if kindIs "string" $value }}
{{ $key }} = {{ $value | toJson }}
{{- else if kindIs "bool" $value }}
{{ $key }} = {{ $value }}
{{- else }}
{{ $key }} = {{ $value | int64 }}
{{- end }}
{{- end }}
{{ end }}
{{- end }}

{{/* Contradictions that the schema of the values can't express. */}}
{{- define "credentiald.check" -}}
{{- $values := .Values -}}
{{- if and (eq $values.store.kind "embedded") (or $values.autoscaling.enabled (gt (int $values.replicas) 1)) -}}
{{- fail "store.kind: embedded serves from one replica: set replicas: 1 and autoscaling.enabled: false" -}}
{{- end -}}
{{- if and (eq $values.store.kind "postgres") (not $values.store.postgres.existingSecret) -}}
{{- fail "store.postgres.existingSecret: name the secret with the URL of the database" -}}
{{- end -}}
{{- if and $values.backup.enabled (ne $values.store.kind "embedded") -}}
{{- fail "backup.enabled: is for store.kind: embedded; PostgreSQL has its own backups" -}}
{{- end -}}
{{- if and $values.backup.enabled (not $values.backup.existingClaim) -}}
{{- fail "backup.existingClaim: name the claim for the backups" -}}
{{- end -}}
{{- if and (not $values.tls.existingSecret) (not $values.tls.allowPlaintext) -}}
{{- fail "tls.existingSecret: name the secret with the certificate, or set tls.allowPlaintext: true where something else encrypts" -}}
{{- end -}}
{{- if and $values.service.httpPort (not $values.pepper.existingSecret) -}}
{{- fail "service.httpPort: needs pepper.existingSecret, because access keys are encrypted under it" -}}
{{- end -}}
{{- if dig "http" "listen" "" $values.config -}}
{{- fail "config.http.listen: set service.httpPort, which sets it and opens the port" -}}
{{- end -}}
{{- if and $values.tls.clientCallers (not $values.tls.clientCaExistingSecret) -}}
{{- fail "tls.clientCallers: needs tls.clientCaExistingSecret" -}}
{{- end -}}
{{- end }}

{{/* The mounts and the volumes of the settings and of the secrets. */}}
{{- define "credentiald.mounts" -}}
- name: config
  mountPath: /etc/credentiald/config
  readOnly: true
{{- if eq .Values.store.kind "postgres" }}
- name: store
  mountPath: /etc/credentiald/store
  readOnly: true
{{- else }}
- name: data
  mountPath: /var/lib/credentiald
{{- end }}
{{- if .Values.tls.existingSecret }}
- name: tls
  mountPath: /etc/credentiald/tls
  readOnly: true
{{- if .Values.tls.clientCaExistingSecret }}
- name: client-ca
  mountPath: /etc/credentiald/client-ca
  readOnly: true
{{- end }}
{{- end }}
{{- if .Values.pepper.existingSecret }}
- name: pepper
  mountPath: /etc/credentiald/pepper
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "credentiald.secretVolumes" -}}
{{- if .Values.tls.existingSecret }}
- name: tls
  secret:
    secretName: {{ .Values.tls.existingSecret }}
    defaultMode: 0440
{{- if .Values.tls.clientCaExistingSecret }}
- name: client-ca
  secret:
    secretName: {{ .Values.tls.clientCaExistingSecret }}
    defaultMode: 0440
    items:
      - { key: ca.crt, path: ca.crt }
{{- end }}
{{- end }}
{{- if .Values.pepper.existingSecret }}
- name: pepper
  secret:
    secretName: {{ .Values.pepper.existingSecret }}
    defaultMode: 0440
    items:
      - { key: {{ .Values.pepper.key }}, path: keys }
{{- end }}
{{- end }}

{{- define "credentiald.volumes" -}}
- name: config
  configMap:
    name: {{ include "credentiald.fullname" . }}
{{- if eq .Values.store.kind "postgres" }}
- name: store
  secret:
    secretName: {{ .Values.store.postgres.existingSecret }}
    defaultMode: 0440
    items:
      - { key: {{ .Values.store.postgres.key }}, path: url }
{{- else }}
- name: data
  persistentVolumeClaim:
    claimName: {{ include "credentiald.claim" . }}
{{- end }}
{{- include "credentiald.secretVolumes" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
