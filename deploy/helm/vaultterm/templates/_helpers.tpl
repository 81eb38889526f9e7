{{- define "vaultterm.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "vaultterm.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "vaultterm.labels" -}}
{{ include "vaultterm.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "vaultterm.serviceAccount" -}}
{{- if .Values.server.serviceAccount.create -}}
{{- default (include "vaultterm.fullname" .) .Values.server.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.server.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "vaultterm.image" -}}
{{ .Values.server.image.repository }}:{{ default .Chart.AppVersion .Values.server.image.tag }}
{{- end -}}

{{/* Refuses values that cannot work, with what to do. */}}
{{- define "vaultterm.check" -}}
{{- $server := .Values.server -}}
{{- if and (gt (int $server.replicas) 1) (not $server.database.existingSecret) -}}
{{- fail "server.replicas above 1 needs PostgreSQL: name the secret with its URL in server.database.existingSecret" -}}
{{- end -}}
{{- if and (eq $server.keys.provider "local") (not $server.masterKey.existingSecret) -}}
{{- fail "name the secret with the master key in server.masterKey.existingSecret: kubectl create secret generic vaultterm-master-key --from-literal=master-key=$(openssl rand -hex 32), and keep a copy outside of the cluster" -}}
{{- end -}}
{{- if eq $server.keys.provider "hcv-transit" -}}
{{- if not (and $server.keys.transit.address $server.keys.transit.roleId $server.keys.transit.existingSecret) -}}
{{- fail "keys.provider hcv-transit needs server.keys.transit.address, roleId and existingSecret" -}}
{{- end -}}
{{- end -}}
{{- if and $server.owner.email (not $server.owner.existingSecret) -}}
{{- fail "server.owner.email needs the secret with the password: server.owner.existingSecret" -}}
{{- end -}}
{{- end -}}

{{/* The settings that `init` and `serve` share. */}}
{{- define "vaultterm.env" -}}
{{- $server := .Values.server -}}
- name: VAULTTERM_DATA_DIR
  value: {{ $server.dataStorage.mountPath }}/vaultterm
- name: VAULTTERM_LISTEN
  value: 0.0.0.0:8250
- name: VAULTTERM_METRICS_LISTEN
  value: 0.0.0.0:8251
- name: VAULTTERM_LOG
  value: {{ $server.logLevel | quote }}
- name: VAULTTERM_LOG_FORMAT
  value: {{ $server.logFormat | quote }}
- name: KEY_PROVIDER
  value: {{ $server.keys.provider | quote }}
{{- if eq $server.keys.provider "local" }}
- name: MASTER_KEY_FILE
  value: /run/vaultterm/master-key/{{ $server.masterKey.key }}
{{- else }}
{{- with $server.keys.transit }}
- name: KEY_HCV_ADDR
  value: {{ .address | quote }}
{{- if .namespace }}
- name: KEY_HCV_NAMESPACE
  value: {{ .namespace | quote }}
{{- end }}
- name: KEY_HCV_AUTH_MOUNT
  value: {{ .authMount | quote }}
- name: KEY_HCV_ROLE_ID
  value: {{ .roleId | quote }}
- name: KEY_HCV_SECRET_ID_FILE
  value: /run/vaultterm/transit/{{ .secretIdKey }}
{{- if .caKey }}
- name: KEY_HCV_CACERT
  value: /run/vaultterm/transit/{{ .caKey }}
{{- end }}
- name: KEY_HCV_TRANSIT_MOUNT
  value: {{ .mount | quote }}
- name: KEY_HCV_TRANSIT_KEY
  value: {{ .key | quote }}
{{- end }}
{{- end }}
{{- if $server.database.existingSecret }}
- name: DATABASE_URL_FILE
  value: /run/vaultterm/database/{{ $server.database.key }}
{{- end }}
{{- if $server.tls.existingSecret }}
- name: VAULTTERM_TLS_CERT
  value: /run/vaultterm/tls/tls.crt
- name: VAULTTERM_TLS_KEY
  value: /run/vaultterm/tls/tls.key
{{- else }}
- name: VAULTTERM_ALLOW_PLAINTEXT
  value: "1"
{{- end }}
{{- if $server.trustedProxies }}
- name: VAULTTERM_TRUSTED_PROXIES
  value: {{ $server.trustedProxies | quote }}
{{- end }}
{{- if $server.license.publicKey }}
- name: LICENSE_PUBLIC_KEY
  value: {{ $server.license.publicKey | quote }}
{{- end }}
{{- if $server.license.existingSecret }}
- name: LICENSE_PATH
  value: /run/vaultterm/license/{{ $server.license.key }}
{{- end }}
{{- range $name, $value := $server.extraEnvironmentVars }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- range $server.extraSecretEnvironmentVars }}
- name: {{ .envName }}
  valueFrom:
    secretKeyRef:
      name: {{ .secretName }}
      key: {{ .secretKey }}
{{- end }}
{{- end -}}

{{/* The secrets among the values, each with the folder in which it is mounted. */}}
{{- define "vaultterm.secrets" -}}
{{- $server := .Values.server -}}
{{- $secrets := dict -}}
{{- if eq $server.keys.provider "local" -}}
{{- $_ := set $secrets "master-key" $server.masterKey.existingSecret -}}
{{- else -}}
{{- $_ := set $secrets "transit" $server.keys.transit.existingSecret -}}
{{- end -}}
{{- with $server.database.existingSecret }}{{ $_ := set $secrets "database" . }}{{ end -}}
{{- with $server.tls.existingSecret }}{{ $_ := set $secrets "tls" . }}{{ end -}}
{{- with $server.license.existingSecret }}{{ $_ := set $secrets "license" . }}{{ end -}}
{{- with $server.owner.existingSecret }}{{ $_ := set $secrets "owner" . }}{{ end -}}
{{- $secrets | toJson -}}
{{- end -}}

{{- define "vaultterm.mounts" -}}
- name: data
  mountPath: {{ .Values.server.dataStorage.mountPath }}
- name: tmp
  mountPath: /tmp
{{- range $name, $secret := include "vaultterm.secrets" . | fromJson }}
- name: {{ $name }}
  mountPath: /run/vaultterm/{{ $name }}
  readOnly: true
{{- end }}
{{- with .Values.server.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "vaultterm.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
capabilities:
  drop: ["ALL"]
seccompProfile:
  type: RuntimeDefault
{{- end -}}
