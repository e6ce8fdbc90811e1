#include "runtime/sync_policies.hpp"

namespace gemel {

conflict_policies policies_of(const sync_section& section, const model_table& models) {
  conflict_policies made;
  if (auto policy = policy_from_string(section.conflict))
    made.set_default(*policy);
  for (const auto& [type, model] : models.all()) {
    if (auto policy = policy_from_string(model.conflict))
      made.set_type(type, *policy);
    for (const auto& property : model.properties)
      if (auto policy = policy_from_string(property.conflict))
        made.set_property(type, property.key, *policy);
  }
  return made;
}

} // namespace gemel
