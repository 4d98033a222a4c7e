package awslambda

import "net/http"

// Why operations are not available.
const (
	noImages       = "functions are zips, not images, and nothing signs them."
	noCapacity     = "functions run on this machine; there is no other capacity to manage."
	noDurable      = "there are no durable executions."
	noSources      = "there are no queues or streams of AWS's to poll; send the events with Invoke."
	onTheWay       = "this version of Teal does not have it."
	get, post, put = http.MethodGet, http.MethodPost, http.MethodPut
	remove         = http.MethodDelete
)

// operations is the whole service model, and the download of code. Paths with
// literal segments stand before those with a place at the same point.
var operations = []operation{
	{name: "CreateFunction", method: post, path: "/2015-03-31/functions", status: 201, bodyLimit: maxCodeBody, run: (*Handler).createFunction},
	{name: "ListFunctions", method: get, path: "/2015-03-31/functions", status: 200, run: (*Handler).listFunctions},
	{name: "GetFunction", method: get, path: "/2015-03-31/functions/{FunctionName}", status: 200, run: (*Handler).getFunction},
	{name: "DeleteFunction", method: remove, path: "/2015-03-31/functions/{FunctionName}", status: 204, run: (*Handler).deleteFunction},
	{name: "GetFunctionConfiguration", method: get, path: "/2015-03-31/functions/{FunctionName}/configuration", status: 200, run: (*Handler).getFunctionConfiguration},
	{name: "UpdateFunctionConfiguration", method: put, path: "/2015-03-31/functions/{FunctionName}/configuration", status: 200, run: (*Handler).updateFunctionConfiguration},
	{name: "UpdateFunctionCode", method: put, path: "/2015-03-31/functions/{FunctionName}/code", status: 200, bodyLimit: maxCodeBody, run: (*Handler).updateFunctionCode},

	{name: "PublishVersion", method: post, path: "/2015-03-31/functions/{FunctionName}/versions", status: 201, run: (*Handler).publishVersion},
	{name: "ListVersionsByFunction", method: get, path: "/2015-03-31/functions/{FunctionName}/versions", status: 200, run: (*Handler).listVersions},

	{name: "CreateAlias", method: post, path: "/2015-03-31/functions/{FunctionName}/aliases", status: 201, run: (*Handler).createAlias},
	{name: "ListAliases", method: get, path: "/2015-03-31/functions/{FunctionName}/aliases", status: 200, run: (*Handler).listAliases},
	{name: "GetAlias", method: get, path: "/2015-03-31/functions/{FunctionName}/aliases/{Name}", status: 200, run: (*Handler).getAlias},
	{name: "UpdateAlias", method: put, path: "/2015-03-31/functions/{FunctionName}/aliases/{Name}", status: 200, run: (*Handler).updateAlias},
	{name: "DeleteAlias", method: remove, path: "/2015-03-31/functions/{FunctionName}/aliases/{Name}", status: 204, run: (*Handler).deleteAlias},

	{name: "Invoke", method: post, path: "/2015-03-31/functions/{FunctionName}/invocations", status: 200, bodyLimit: maxEvent, run: (*Handler).invoke},
	{name: "InvokeAsync", method: post, path: "/2014-11-13/functions/{FunctionName}/invoke-async", status: 202, run: (*Handler).invokeAsync},
	{name: "InvokeWithResponseStream", method: post, path: "/2021-11-15/functions/{FunctionName}/response-streaming-invocations", status: 200, bodyLimit: maxEvent, run: (*Handler).invokeStreaming},

	{name: "ListTags", method: get, path: "/2017-03-31/tags/{Resource}", status: 200, run: (*Handler).listTags},
	{name: "TagResource", method: post, path: "/2017-03-31/tags/{Resource}", status: 204, run: (*Handler).tagResource},
	{name: "UntagResource", method: remove, path: "/2017-03-31/tags/{Resource}", status: 204, run: (*Handler).untagResource},

	{name: "PutFunctionConcurrency", method: put, path: "/2017-10-31/functions/{FunctionName}/concurrency", status: 200, run: (*Handler).putConcurrency},
	{name: "GetFunctionConcurrency", method: get, path: "/2019-09-30/functions/{FunctionName}/concurrency", status: 200, run: (*Handler).getConcurrency},
	{name: "DeleteFunctionConcurrency", method: remove, path: "/2017-10-31/functions/{FunctionName}/concurrency", status: 204, run: (*Handler).deleteConcurrency},
	{name: "ListProvisionedConcurrencyConfigs", method: get, path: "/2019-09-30/functions/{FunctionName}/provisioned-concurrency?List=ALL", status: 200, run: (*Handler).listProvisioned},
	{name: "GetProvisionedConcurrencyConfig", method: get, path: "/2019-09-30/functions/{FunctionName}/provisioned-concurrency", status: 200, run: (*Handler).getProvisioned},
	{name: "PutProvisionedConcurrencyConfig", method: put, path: "/2019-09-30/functions/{FunctionName}/provisioned-concurrency", status: 202, run: (*Handler).putProvisioned},
	{name: "DeleteProvisionedConcurrencyConfig", method: remove, path: "/2019-09-30/functions/{FunctionName}/provisioned-concurrency", status: 204, run: (*Handler).deleteProvisioned},

	{name: "CreateFunctionUrlConfig", method: post, path: "/2021-10-31/functions/{FunctionName}/url", status: 201, run: (*Handler).createURL},
	{name: "GetFunctionUrlConfig", method: get, path: "/2021-10-31/functions/{FunctionName}/url", status: 200, run: (*Handler).getURL},
	{name: "UpdateFunctionUrlConfig", method: put, path: "/2021-10-31/functions/{FunctionName}/url", status: 200, run: (*Handler).updateURL},
	{name: "DeleteFunctionUrlConfig", method: remove, path: "/2021-10-31/functions/{FunctionName}/url", status: 204, run: (*Handler).deleteURL},
	{name: "ListFunctionUrlConfigs", method: get, path: "/2021-10-31/functions/{FunctionName}/urls", status: 200, run: (*Handler).listURLs},

	{name: "PutFunctionEventInvokeConfig", method: put, path: "/2019-09-25/functions/{FunctionName}/event-invoke-config", status: 200, run: (*Handler).putEvents},
	{name: "UpdateFunctionEventInvokeConfig", method: post, path: "/2019-09-25/functions/{FunctionName}/event-invoke-config", status: 200, run: (*Handler).updateEvents},
	{name: "GetFunctionEventInvokeConfig", method: get, path: "/2019-09-25/functions/{FunctionName}/event-invoke-config", status: 200, run: (*Handler).getEvents},
	{name: "DeleteFunctionEventInvokeConfig", method: remove, path: "/2019-09-25/functions/{FunctionName}/event-invoke-config", status: 204, run: (*Handler).deleteEvents},
	{name: "ListFunctionEventInvokeConfigs", method: get, path: "/2019-09-25/functions/{FunctionName}/event-invoke-config/list", status: 200, run: (*Handler).listEvents},

	{name: "AddPermission", method: post, path: "/2015-03-31/functions/{FunctionName}/policy", status: 201, run: (*Handler).addPermission},
	{name: "GetPolicy", method: get, path: "/2015-03-31/functions/{FunctionName}/policy", status: 200, run: (*Handler).getPolicy},
	{name: "RemovePermission", method: remove, path: "/2015-03-31/functions/{FunctionName}/policy/{StatementId}", status: 204, run: (*Handler).removePermission},

	{name: "GetAccountSettings", method: get, path: "/2016-08-19/account-settings", status: 200, run: (*Handler).accountSettings},
	{name: "PutFunctionRecursionConfig", method: put, path: "/2024-08-31/functions/{FunctionName}/recursion-config", status: 200, run: (*Handler).putRecursion},
	{name: "GetFunctionRecursionConfig", method: get, path: "/2024-08-31/functions/{FunctionName}/recursion-config", status: 200, run: (*Handler).getRecursion},
	{name: "PutRuntimeManagementConfig", method: put, path: "/2021-07-20/functions/{FunctionName}/runtime-management-config", status: 200, run: (*Handler).putRuntimeManagement},
	{name: "GetRuntimeManagementConfig", method: get, path: "/2021-07-20/functions/{FunctionName}/runtime-management-config", status: 200, run: (*Handler).getRuntimeManagement},

	{name: "GetLayerVersionByArn", method: get, path: "/2018-10-31/layers?find=LayerVersion", status: 200, run: (*Handler).getLayerByARN},
	{name: "ListLayers", method: get, path: "/2018-10-31/layers", status: 200, run: (*Handler).listLayers},
	{name: "PublishLayerVersion", method: post, path: "/2018-10-31/layers/{LayerName}/versions", status: 201, bodyLimit: maxCodeBody, run: (*Handler).publishLayer},
	{name: "ListLayerVersions", method: get, path: "/2018-10-31/layers/{LayerName}/versions", status: 200, run: (*Handler).listLayerVersions},
	{name: "GetLayerVersion", method: get, path: "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}", status: 200, run: (*Handler).getLayer},
	{name: "DeleteLayerVersion", method: remove, path: "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}", status: 204, run: (*Handler).deleteLayer},
	{name: "AddLayerVersionPermission", method: post, path: "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy", status: 201, run: (*Handler).addLayerPermission},
	{name: "GetLayerVersionPolicy", method: get, path: "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy", status: 200, run: (*Handler).getLayerPolicy},
	{name: "RemoveLayerVersionPermission", method: remove, path: "/2018-10-31/layers/{LayerName}/versions/{VersionNumber}/policy/{StatementId}", status: 204, run: (*Handler).removeLayerPermission},

	{name: "CreateEventSourceMapping", method: post, path: "/2015-03-31/event-source-mappings", status: 202, refused: noSources},
	{name: "ListEventSourceMappings", method: get, path: "/2015-03-31/event-source-mappings", status: 200, run: (*Handler).noSourceMappings},
	{name: "GetEventSourceMapping", method: get, path: "/2015-03-31/event-source-mappings/{UUID}", status: 200, run: (*Handler).noSourceMapping},
	{name: "UpdateEventSourceMapping", method: put, path: "/2015-03-31/event-source-mappings/{UUID}", status: 202, run: (*Handler).noSourceMapping},
	{name: "DeleteEventSourceMapping", method: remove, path: "/2015-03-31/event-source-mappings/{UUID}", status: 202, run: (*Handler).noSourceMapping},

	{name: "CreateCodeSigningConfig", method: post, path: "/2020-04-22/code-signing-configs", status: 201, refused: noImages},
	{name: "ListCodeSigningConfigs", method: get, path: "/2020-04-22/code-signing-configs", status: 200, refused: noImages},
	{name: "GetCodeSigningConfig", method: get, path: "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}", status: 200, refused: noImages},
	{name: "UpdateCodeSigningConfig", method: put, path: "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}", status: 200, refused: noImages},
	{name: "DeleteCodeSigningConfig", method: remove, path: "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}", status: 204, refused: noImages},
	{name: "ListFunctionsByCodeSigningConfig", method: get, path: "/2020-04-22/code-signing-configs/{CodeSigningConfigArn}/functions", status: 200, refused: noImages},
	{name: "GetFunctionCodeSigningConfig", method: get, path: "/2020-06-30/functions/{FunctionName}/code-signing-config", status: 200, run: (*Handler).noCodeSigning},
	{name: "PutFunctionCodeSigningConfig", method: put, path: "/2020-06-30/functions/{FunctionName}/code-signing-config", status: 200, refused: noImages},
	{name: "DeleteFunctionCodeSigningConfig", method: remove, path: "/2020-06-30/functions/{FunctionName}/code-signing-config", status: 204, refused: noImages},

	{name: "CreateCapacityProvider", method: post, path: "/2025-11-30/capacity-providers", status: 202, refused: noCapacity},
	{name: "ListCapacityProviders", method: get, path: "/2025-11-30/capacity-providers", status: 200, refused: noCapacity},
	{name: "GetCapacityProvider", method: get, path: "/2025-11-30/capacity-providers/{CapacityProviderName}", status: 200, refused: noCapacity},
	{name: "UpdateCapacityProvider", method: put, path: "/2025-11-30/capacity-providers/{CapacityProviderName}", status: 202, refused: noCapacity},
	{name: "DeleteCapacityProvider", method: remove, path: "/2025-11-30/capacity-providers/{CapacityProviderName}", status: 202, refused: noCapacity},
	{name: "ListFunctionVersionsByCapacityProvider", method: get, path: "/2025-11-30/capacity-providers/{CapacityProviderName}/function-versions", status: 200, refused: noCapacity},
	{name: "PutFunctionScalingConfig", method: put, path: "/2025-11-30/functions/{FunctionName}/function-scaling-config", status: 202, refused: noCapacity},
	{name: "GetFunctionScalingConfig", method: get, path: "/2025-11-30/functions/{FunctionName}/function-scaling-config", status: 200, refused: noCapacity},

	{name: "CheckpointDurableExecution", method: post, path: "/2025-12-01/durable-executions/{DurableExecutionArn}/checkpoint", status: 200, refused: noDurable},
	{name: "GetDurableExecution", method: get, path: "/2025-12-01/durable-executions/{DurableExecutionArn}", status: 200, refused: noDurable},
	{name: "GetDurableExecutionHistory", method: get, path: "/2025-12-01/durable-executions/{DurableExecutionArn}/history", status: 200, refused: noDurable},
	{name: "GetDurableExecutionState", method: get, path: "/2025-12-01/durable-executions/{DurableExecutionArn}/state", status: 200, refused: noDurable},
	{name: "StopDurableExecution", method: post, path: "/2025-12-01/durable-executions/{DurableExecutionArn}/stop", status: 200, refused: noDurable},
	{name: "ListDurableExecutionsByFunction", method: get, path: "/2025-12-01/functions/{FunctionName}/durable-executions", status: 200, refused: noDurable},
	{name: "SendDurableExecutionCallbackFailure", method: post, path: "/2025-12-01/durable-execution-callbacks/{CallbackId}/fail", status: 200, refused: noDurable},
	{name: "SendDurableExecutionCallbackHeartbeat", method: post, path: "/2025-12-01/durable-execution-callbacks/{CallbackId}/heartbeat", status: 200, refused: noDurable},
	{name: "SendDurableExecutionCallbackSuccess", method: post, path: "/2025-12-01/durable-execution-callbacks/{CallbackId}/succeed", status: 200, refused: noDurable},

	{name: operationDownload, method: get, path: codePath + "{Digest}", status: 200, run: (*Handler).download},
}

// operationDownload is Teal's own: what CodeLocation leads to.
const operationDownload = "(download of code)"
