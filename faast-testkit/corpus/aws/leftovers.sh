#!/usr/bin/env bash
# leftovers.sh ENDPOINT
# What is left on an emulator, seen by a client that shares nothing with faast: the AWS command line (AWS names it).
# Prints a line for each thing that is there. Exit code: 0 nothing is left, 1 something is, 2 a query failed.
# The endpoint is passed to every query, so that none can reach a real account.
set -u
endpoint=${1:?usage: leftovers.sh ENDPOINT}
aws=${AWS:-aws}
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION="${AWS_REGION:-us-west-2}" AWS_PAGER=
export AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
unset AWS_CA_BUNDLE AWS_PROFILE AWS_SESSION_TOKEN
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# look NAME QUERY ..: one file of what there is, one of what went wrong.
look() {
    local name=$1
    shift
    if ! "$aws" --endpoint-url "$endpoint" "$@" --output text >"$results/$name.out" 2>"$results/$name.err"; then
        echo failed >"$results/$name.failed"
    fi
}

# A process of the command line takes a second to start, so all queries run side by side.
look function lambda list-functions --query 'Functions[].FunctionName' &
look mapping lambda list-event-source-mappings --query 'EventSourceMappings[].UUID' &
look layer lambda list-layers --query 'Layers[].LayerName' &
look role iam list-roles --query 'Roles[?!starts_with(Path,`/aws-service-role/`)].RoleName' &
look policy iam list-policies --scope Local --query 'Policies[].PolicyName' &
look bucket s3api list-buckets --query 'Buckets[].Name' &
look queue sqs list-queues --query 'QueueUrls' &
look topic sns list-topics --query 'Topics[].TopicArn' &
look log-group logs describe-log-groups --query 'logGroups[].logGroupName' &
look tagged resourcegroupstaggingapi get-resources --tag-filters Key=faast:deployment \
    --query 'ResourceTagMappingList[].ResourceARN' &
wait

code=0
for out in "$results"/*.out; do
    name=$(basename "$out" .out)
    for thing in $(tr '\t\n' '  ' <"$out"); do
        [ "$thing" = None ] && continue
        echo "$name $thing"
        [ "$code" -eq 0 ] && code=1
    done
    if [ -e "$results/$name.failed" ]; then
        echo "$name: the query failed: $(tr '\n' ' ' <"$results/$name.err")" >&2
        code=2
    fi
done
exit "$code"
