#pragma once

#include "actors/sync/conflict_policy.hpp"
#include "registry/model.hpp"
#include "runtime/config.hpp"

namespace gemel {

/// What a config says about concurrent writes: of properties, of types with what they inherit, of
/// the node.
/// @returns what `policy_from_string` says, with the place.
result<conflict_policies> policies_of(const sync_section& section, const model_table& models);

} // namespace gemel
