import { quote, script } from "../../lib/shell.ts";
import { secretFileFunctions } from "./create-once-files.ts";

export interface GrafanaPasswordScript {
  readonly container: string;
  /** host:port as the server reaches it. */
  readonly address: string;
  /** Create-once file of the admin's password. */
  readonly fileName: string;
}

/** `grafana_accepts PASSWORD`: 0 yes, 1 refused; no answer ends the script. The login travels in curl's configuration, not in its arguments. */
const loginFunctions = ({ address, fileName }: GrafanaPasswordScript): string => `grafana=${quote(`http://${address}`)}
grafana_name='${fileName}'
grafana_accepts() {
  local code
  code=$(curl --config <(printf 'user = "admin:%s"\\n' "$1") --silent --max-time 15 --output /dev/null --write-out '%{http_code}' "$grafana/api/user") || code="none"
  case "$code" in
    200) return 0 ;;
    401) return 1 ;;
  esac
  echo "Grafana did not say whether it accepts a password: HTTP $code" >&2
  exit 1
}`;

/**
 * Gives Grafana's admin the newest password: by the API as long as the one before is known to it, else (somebody changed it by hand) by
 * Grafana's own tool in its container. Does nothing but in a rotation: the admin may have changed the password, and may keep it.
 */
export function renderAcceptGrafanaPassword(grafana: GrafanaPasswordScript): string {
  return script(
    secretFileFunctions,
    loginFunctions(grafana),
    'old=$(before "$grafana_name")',
    'if [ -z "$old" ]; then exit 0; fi',
    'password=$(newest "$grafana_name")',
    'if grafana_accepts "$password"; then exit 0; fi',
    'if grafana_accepts "$old"; then',
    "  curl --config <(",
    '    printf \'user = "admin:%s"\\n\' "$old"',
    '    printf \'data = "{\\\\"oldPassword\\\\":\\\\"%s\\\\",\\\\"newPassword\\\\":\\\\"%s\\\\",\\\\"confirmNew\\\\":\\\\"%s\\\\"}"\\n\' "$old" "$password" "$password"',
    "  ) --silent --show-error --fail --max-time 30 --request PUT --header 'Content-Type: application/json' --output /dev/null \"$grafana/api/user/password\"",
    "else",
    `  printf "%s\\n" "$password" | timeout 120 docker exec -i ${quote(grafana.container)} grafana cli admin reset-admin-password --password-from-stdin >/dev/null`,
    "fi",
    'if ! grafana_accepts "$password"; then echo "Grafana does not accept its new password" >&2; exit 1; fi',
  );
}

/** The older password must be refused now. */
export function renderEndGrafanaRotation(grafana: GrafanaPasswordScript, generation: number): string {
  return script(
    secretFileFunctions,
    loginFunctions(grafana),
    `promote "$grafana_name" ${generation}`,
    'old=$(before "$grafana_name")',
    'if [ -z "$old" ]; then exit 0; fi',
    'if ! grafana_accepts "$(newest "$grafana_name")"; then echo "Grafana does not accept its new password" >&2; exit 1; fi',
    'if grafana_accepts "$old"; then echo "Grafana still accepts the old password" >&2; exit 1; fi',
    'forget "$grafana_name"',
  );
}
