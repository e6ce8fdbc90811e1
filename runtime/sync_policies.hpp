#pragma once

#include "actors/sync/conflict_policy.hpp"
#include "registry/model.hpp"
#include "runtime/config.hpp"

namespace gemel {

/// What a config says about concurrent writes: of properties, of types with what they inherit, of
/// the node.
/// @param functions that it may name. What one of them throws counts as its refusal.
/// @returns what `policy_from_string` and `conflict_policies::bind` say, with the place;
///          errc::bad_value for a function without a name or a body.
result<conflict_policies> policies_of(const sync_section& section, const model_table& models,
                                      const merge_functions& functions);

} // namespace gemel
