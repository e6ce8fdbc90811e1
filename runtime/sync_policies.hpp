#pragma once

#include "actors/sync/conflict_policy.hpp"
#include "registry/model.hpp"
#include "runtime/config.hpp"

namespace gemel {

/// What the config says about concurrent writes: of properties, of types with what they inherit, of
/// the node. Texts that are no policy, which `parse_config` refuses, count as not said.
conflict_policies policies_of(const sync_section& section, const model_table& models);

} // namespace gemel
