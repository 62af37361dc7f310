# shellcheck shell=bash
# Who is told when something is wrong: a webhook, by the functions themselves; and an address, by an uptime check on the
# status. That check is also what makes the functions look while nothing runs.

# Sets $alert_version; empty: no webhook is told. What was stored once stays in use, as the key does.
make_alert_secret() {
  local list=(gcloud secrets versions list "$alert_secret" '--format=value(name.basename(),state)' "--project=$project")
  local add=(gcloud secrets versions add "$alert_secret" --data-file=- '--format=value(name.basename())' "--project=$project")
  local stored='' versions
  alert_version=''
  if [ -n "$dry_run" ]; then
    show "${list[@]}"
  elif quietly "${list[@]}"; then
    versions=$(enabled_versions) alert_version=${versions##*$'\n'}
  elif ! is_absent; then
    give_up "${list[@]}"
  fi
  if [ -z "$alert_url" ]; then return; fi
  step "Secret for the webhook"
  create_secret "$alert_secret"
  if [ -n "$dry_run" ]; then
    # shellcheck disable=SC2016 # to be expanded by whoever runs that line
    printf '%s < <(printf %%s "$NOVELSYNC_ALERT_URL")  # $ALERT_VERSION, if the address is another\n' "$(show "${add[@]}")"
    alert_version="\$ALERT_VERSION"
  else
    if [ -n "$alert_version" ]; then
      stored=$(gcloud secrets versions access "$alert_version" "--secret=$alert_secret" "--project=$project" 2>/dev/null </dev/null) || true
    fi
    if [ "$stored" != "$alert_url" ]; then
      printf %s "$alert_url" | "${add[@]}" >"$scratch/out" 2>"$scratch/err" || give_up "${add[@]}"
      alert_version=$(cat "$scratch/out")
    fi
  fi
  let_read "$alert_secret" "$sync_account" "$status_account"
}

find_uptime_check() {
  which_of UPTIME_CHECK "$alert_name" gcloud monitoring uptime list-configs '--format=value(name.basename(),displayName)' "--project=$project"
}

find_channel() {
  which_of CHANNEL "$alert_name" gcloud alpha monitoring channels list '--format=value(name,displayName)' "--project=$project"
}

find_policy() {
  which_of POLICY "$alert_name" gcloud alpha monitoring policies list '--format=value(name,displayName)' "--project=$project"
}

make_alert() {
  if [ -z "$alert$alert_version" ]; then return; fi
  step "Alert${alert:+ to $alert}"
  local check channel policy host=${status_url#https://}
  if [ -n "$dry_run" ]; then host="\$STATUS_HOST"; fi
  find_uptime_check
  check=$answer
  if [ -n "$dry_run" ] || [ -z "$check" ]; then
    remark_for create
    ask UPTIME_CHECK gcloud monitoring uptime create "$alert_name" --resource-type=uptime-url \
      "--resource-labels=host=$host,project_id=$project" --protocol=https "--path=$ROUTES/novels/status?check=1" \
      --service-agent-auth=oidc-token --period=15 --timeout=60 --regions=europe,usa-oregon,asia-pacific \
      '--format=value(name.basename())' "--project=$project"
    check=$answer
  fi
  # Uptime checks call with a token of Monitoring's own account.
  allow "$status_function" "serviceAccount:service-$project_number@gcp-sa-monitoring-notification.iam.gserviceaccount.com" \
    roles/run.invoker
  if [ -z "$alert" ]; then return; fi
  find_channel
  channel=$answer
  if [ -n "$dry_run" ] || [ -z "$channel" ]; then
    remark_for create
    ask CHANNEL gcloud alpha monitoring channels create "--display-name=$alert_name" --type=email \
      "--channel-labels=email_address=$alert" '--format=value(name)' "--project=$project"
    channel=$answer
  fi
  if [ -n "$dry_run" ] || [ -n "$channel" ]; then
    remark_for update
    run gcloud alpha monitoring channels update "$channel" "--update-channel-labels=email_address=$alert" "--project=$project"
  fi
  find_policy
  policy=$answer
  if [ -n "$dry_run" ] || [ -z "$policy" ]; then
    remark_for create
    run_patiently gcloud alpha monitoring policies create "--policy=$(policy_json "$check" "$channel")" "--project=$project"
  fi
  if [ -n "$dry_run" ] || [ -n "$policy" ]; then
    remark_for update
    run gcloud alpha monitoring policies update "$policy" "--policy=$(policy_json "$check" "$channel")" "--project=$project"
  fi
}

# More than one of the three places says that the check fails, within 20 minutes.
policy_json() {
  printf '{"displayName": "%s", "combiner": "OR", "notificationChannels": ["%s"], ' "$alert_name" "$2"
  printf '"documentation": {"content": "The sync fails, or has not run. Its status page says why; docs/messages.md what to do.", "mimeType": "text/markdown"}, '
  printf '"conditions": [{"displayName": "the status is failing, stale or never_run", "conditionThreshold": {'
  printf '"filter": "resource.type=\\"uptime_url\\" AND metric.type=\\"monitoring.googleapis.com/uptime_check/check_passed\\" AND metric.label.check_id=\\"%s\\"", ' "$1"
  printf '"aggregations": [{"alignmentPeriod": "1200s", "perSeriesAligner": "ALIGN_NEXT_OLDER", "crossSeriesReducer": "REDUCE_COUNT_FALSE", "groupByFields": ["resource.label.*"]}], '
  printf '"comparison": "COMPARISON_GT", "thresholdValue": 1, "duration": "0s", "trigger": {"count": 1}}}]}'
}
