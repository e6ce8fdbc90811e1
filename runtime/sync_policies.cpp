#include "runtime/sync_policies.hpp"

namespace gemel {

namespace {

error at(const std::string& place, const error& why) {
  return {why.code, place + ".conflict: " + why.context};
}

result<void> add_type(conflict_policies& into, const type_model& model) {
  auto place = "types." + model.name;
  if (!model.conflict.empty()) {
    auto policy = policy_from_string(model.conflict);
    if (!policy)
      return tl::unexpected{at(place, policy.error())};
    into.set_type(model.name, *policy);
  }
  for (const auto& property : model.properties) {
    if (property.conflict.empty())
      continue;
    auto policy = policy_from_string(property.conflict);
    if (!policy)
      return tl::unexpected{at(place + ".properties." + property.key, policy.error())};
    into.set_property(model.name, property.key, *policy);
  }
  return {};
}

} // namespace

result<conflict_policies> policies_of(const sync_section& section, const model_table& models) {
  conflict_policies made;
  auto policy = policy_from_string(section.conflict);
  if (!policy)
    return tl::unexpected{at("sync", policy.error())};
  made.set_default(*policy);
  for (const auto& [type, model] : models.all())
    if (auto added = add_type(made, model); !added)
      return tl::unexpected{added.error()};
  return made;
}

} // namespace gemel
