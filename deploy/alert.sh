# shellcheck shell=bash
# Who is told when something is wrong: a webhook, by the functions themselves; and an address, by an uptime check on the
# status. That check is also what makes the functions look while nothing runs.

# keep_secret NAME VALUE VARIABLE VERSION STEP ACCOUNT…: what the functions find in VARIABLE. Sets $answer to the version in
# use; empty: there is none. What was stored once stays in use, as the key does. VERSION: as a dry run calls it.
keep_secret() {
  local kept=$1 value=$2 variable=$3 later=$4 heading=$5
  shift 5
  local list=(gcloud secrets versions list "$kept" '--format=value(name.basename(),state)' "--project=$project")
  local add=(gcloud secrets versions add "$kept" --data-file=- '--format=value(name.basename())' "--project=$project")
  local stored='' versions version=''
  if [ -n "$dry_run" ]; then
    show "${list[@]}"
  elif quietly "${list[@]}"; then
    versions=$(enabled_versions) version=${versions##*$'\n'}
  elif ! is_absent; then
    give_up "${list[@]}"
  fi
  if [ -n "$value" ]; then
    step "$heading"
    create_secret "$kept"
    if [ -n "$dry_run" ]; then
      # shellcheck disable=SC2016 # to be expanded by whoever runs that line
      printf '%s < <(printf %%s "$%s")  # $%s, if it is another\n' "$(show "${add[@]}")" "$variable" "$later"
      version="\$$later"
    else
      if [ -n "$version" ]; then
        stored=$(gcloud secrets versions access "$version" "--secret=$kept" "--project=$project" 2>/dev/null </dev/null) || true
      fi
      if [ "$stored" != "$value" ]; then
        printf %s "$value" | "${add[@]}" >"$scratch/out" 2>"$scratch/err" || give_up "${add[@]}"
        version=$(cat "$scratch/out")
      fi
    fi
    let_read "$kept" "$@"
  fi
  answer=$version
}

# Sets $alert_version; empty: no webhook is told of the verdict.
make_alert_secret() {
  keep_secret "$alert_secret" "$alert_url" NOVELSYNC_ALERT_URL ALERT_VERSION "Secret for the webhook" \
    "$sync_account" "$status_account"
  alert_version=$answer
}

# Sets $notify_versions, as a function is given them; empty: nobody is told of changes.
make_notify_secrets() {
  local senders=("$sync_account") signs
  if [ -n "$events$fanout" ]; then senders+=("$events_account"); fi
  keep_secret "$notify_secret_secret" "$notify_secret" NOVELSYNC_NOTIFY_SECRET NOTIFY_SECRET_VERSION \
    "Secret that signs notices" "${senders[@]}"
  signs=$answer notify_versions=''
  keep_secret "$notify_url_secret" "$notify_url" NOVELSYNC_NOTIFY_URL NOTIFY_URL_VERSION "Secret for where notices go" \
    "${senders[@]}"
  if [ -n "$answer" ] && [ -n "$signs" ]; then
    notify_versions="NOVELSYNC_NOTIFY_SECRET=$notify_secret_secret:$signs,NOVELSYNC_NOTIFY_URL=$notify_url_secret:$answer"
  fi
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
