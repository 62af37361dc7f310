# shellcheck shell=bash
# Single novels, asked for by messages: a topic, what fills it, and the function that it is pushed to. For --events the
# bucket fills it, for --fanout the sync; the function is the same, and so is how much at once the database has to bear.

make_events() {
  if [ -z "$events$fanout" ]; then return; fi
  step "Function $events_function (some minutes)"
  # Answers before the 600 seconds are over after which Pub/Sub sends a message again; those are the most that it waits.
  deploy_function "$events_function" novel_changed "$events_account" '' "--max-instances=$instances" "--memory=$memory" --timeout=540s
  function_url EVENTS_URL "$events_function"
  local events_url=$answer postman=service-$project_number@gcp-sa-pubsub.iam.gserviceaccount.com
  allow "$events_function" "serviceAccount:$caller_account" roles/run.invoker
  step "Topic $topic"
  make_topic "$topic"
  make_topic "$dead_topic"
  # Without a subscription a topic keeps nothing.
  make_subscription "$dead_topic" "$dead_topic" --message-retention-duration=7d
  # A 429, because all instances are busy, counts as an attempt as much as an error does: so many attempts, an hour and a
  # half of them, that a message is given up only after the next hourly run has taken its novel anyway.
  make_subscription "$push_subscription" "$topic" "--push-endpoint=$events_url/" \
    "--push-auth-service-account=$caller_account" "--push-auth-token-audience=$events_url" --ack-deadline=600 \
    --min-retry-delay=10s --max-retry-delay=120s --message-retention-duration=1d \
    "--dead-letter-topic=$dead_topic" --max-delivery-attempts=50
  grant_on topics "$dead_topic" "$postman" roles/pubsub.publisher
  grant_on subscriptions "$push_subscription" "$postman" roles/pubsub.subscriber
  if [ -n "$fanout" ]; then grant_on topics "$topic" "$sync_account" roles/pubsub.publisher; fi
  make_notification
}

make_topic() {
  look gcloud pubsub topics describe "$1" "--project=$project"
  case $verbs in create*)
    remark_for create
    run_patiently gcloud pubsub topics create "$1" "--project=$project"
    ;;
  esac
}

# make_subscription NAME TOPIC FLAG…
make_subscription() {
  local verb subscription=$1 of=$2 from
  shift 2
  look gcloud pubsub subscriptions describe "$subscription" "--project=$project"
  for verb in $verbs; do
    from=()
    if [ "$verb" = create ]; then from=("--topic=$of"); fi
    remark_for "$verb"
    run_patiently gcloud pubsub subscriptions "$verb" "$subscription" ${from[@]+"${from[@]}"} "$@" \
      --expiration-period=never "--project=$project"
  done
}

# grant_on KIND NAME ACCOUNT ROLE
grant_on() {
  run_patiently gcloud pubsub "$1" add-iam-policy-binding "$2" "--member=serviceAccount:$3" "--role=$4" "--project=$project"
}

# Sets $notifications to those that fill the topic, a line for each: its name, and the prefix that it is for. Without
# --bucket, which --delete does not need, all buckets of the project are looked at.
find_notifications() {
  ask NOTIFICATION gcloud storage buckets notifications list ${bucket:+"gs://$bucket"} \
    '--format=value("Bucket URL","Notification Configuration".id,"Notification Configuration".topic,"Notification Configuration".object_name_prefix)' \
    "--project=$project"
  notifications=$answer
  if [ -z "$dry_run" ]; then
    notifications=$(printf '%s\n' "$answer" | awk -F '\t' -v OFS='\t' -v topic="//pubsub.googleapis.com/$topic_path" \
      '$3 == topic { gsub("gs://|/", "", $1); print "projects/_/buckets/" $1 "/notificationConfigs/" $2, $4 }')
  fi
}

# Of the bucket's notifications into the topic one is left, or none without --events: two would ask for everything twice.
make_notification() {
  local notification of kept='' folder=${prefix:+$prefix/}
  step "Notifications of gs://$bucket"
  find_notifications
  while IFS=$'\t' read -r notification of; do
    if [ -n "$events" ] && [ -z "$dry_run$kept" ] && [ "$of" = "$folder" ]; then
      kept=$notification
    elif [ -n "$notification" ]; then
      remark_for replace
      run gcloud storage buckets notifications delete "$notification" "--project=$project"
    fi
  done <<<"$notifications"
  if [ -z "$events" ]; then return; fi
  # This makes it, too, if nothing has asked for it before.
  ask STORAGE_AGENT gcloud storage service-agent "--project=$project"
  if [ -z "$dry_run" ] && ! matches "$answer" '[^ @]+@[^ @]+'; then
    die "Cloud Storage does not say which account it announces new objects with" \
      "gcloud storage service-agent --project=$project should print an address; when it does, call deploy.sh again"
  fi
  grant_on topics "$topic" "$answer" roles/pubsub.publisher
  if [ -z "$kept" ]; then
    # For a bucket of another project gcloud gives that project's account the same right.
    remark_for create
    run_patiently gcloud storage buckets notifications create "gs://$bucket" "--topic=$topic_path" \
      --event-types=OBJECT_FINALIZE ${folder:+"--object-prefix=$folder"} --payload-format=json "--project=$project"
  fi
}

# Calls $1 for all of it, as each_thing does. The function is made first, and is the last to go: without it there is nothing.
each_part_of_events() {
  local visit=$1 notification of
  look gcloud functions describe "$events_function" --gen2 "--region=$region" "--project=$project"
  if [ "$verbs" = create ]; then return; fi
  find_notifications
  while IFS=$'\t' read -r notification of; do
    "$visit" "the notification $notification" "storage buckets notifications" "$notification" "--project=$project"
  done <<<"$notifications"
  "$visit" "the subscription $push_subscription" "pubsub subscriptions" "$push_subscription" "--project=$project"
  "$visit" "the topic $topic" "pubsub topics" "$topic" "--project=$project"
  "$visit" "the subscription $dead_topic, with what could not be delivered" "pubsub subscriptions" "$dead_topic" "--project=$project"
  "$visit" "the topic $dead_topic" "pubsub topics" "$dead_topic" "--project=$project"
  "$visit" "the function $events_function" functions "$events_function" --gen2 "--region=$region" "--project=$project"
}

# What a call does not ask for goes: left alone, the function would keep an old key, and old code.
take_events_away() {
  if [ -z "$events$fanout" ]; then each_part_of_events visit_to_delete; fi
}
