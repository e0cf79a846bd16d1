-- The health of a ComputableFlow for Argo CD, from its conditions alone.
local function health(status, message)
  return { status = status, message = message }
end

local status = obj.status
if status == nil or status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "The operator has not seen this spec yet.")
end

local conditions = {}
for _, one in ipairs(status.conditions or {}) do
  conditions[one.type] = one
end

local function holds(kind)
  return conditions[kind] ~= nil and conditions[kind].status == "True"
end

local function said(kind)
  return conditions[kind].reason .. ": " .. (conditions[kind].message or "")
end

if holds("Stalled") then
  return health("Degraded", said("Stalled"))
end
if holds("Reconciling") then
  return health("Progressing", said("Reconciling"))
end
if holds("Ready") then
  if conditions.Ready.reason == "Suspended" then
    return health("Suspended", said("Ready"))
  end
  return health("Healthy", said("Ready"))
end
return health("Progressing", "The operator has not said how the flow is.")
