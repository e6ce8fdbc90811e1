#include "runtime/sync_policies.hpp"

#include <exception>
#include <utility>

namespace gemel {

namespace {

error at(const std::string& place, const error& why) {
  return {why.code, place + ".conflict: " + why.context};
}

result<conflict_policy> read(const conflict_policies& known, const std::string& place,
                             std::string_view text) {
  auto made = policy_from_string(text).and_then(
      [&](conflict_policy policy) { return known.bind(std::move(policy)); });
  if (!made)
    return tl::unexpected{at(place, made.error())};
  return made;
}

// The embedding program's code, called on a thread of ours: nothing it throws may end the node.
merge_function guarded(const std::string& name, const merge_function& function) {
  return [name, function](const std::vector<value>& values) -> result<value> {
    try {
      return function(values);
    } catch (const std::exception& thrown) {
      return fail(errc::bad_value, "merge function '" + name + "': " + thrown.what());
    } catch (...) {
      return fail(errc::bad_value, "merge function '" + name + "' threw");
    }
  };
}

result<merge_functions> all_guarded(const merge_functions& functions) {
  merge_functions made;
  for (const auto& [name, function] : functions) {
    if (name.empty() || function == nullptr)
      return fail(errc::bad_value,
                  "merge function '" + name + "' has no " + (name.empty() ? "name" : "body"));
    made[name] = guarded(name, function);
  }
  return made;
}

result<void> add_type(conflict_policies& into, const type_model& model) {
  auto place = "types." + model.name;
  if (!model.conflict.empty()) {
    auto policy = read(into, place, model.conflict);
    if (!policy)
      return tl::unexpected{policy.error()};
    into.set_type(model.name, *policy);
  }
  for (const auto& property : model.properties) {
    if (property.conflict.empty())
      continue;
    auto policy = read(into, place + ".properties." + property.key, property.conflict);
    if (!policy)
      return tl::unexpected{policy.error()};
    into.set_property(model.name, property.key, *policy);
  }
  return {};
}

} // namespace

result<conflict_policies> policies_of(const sync_section& section, const model_table& models,
                                      const merge_functions& functions) {
  conflict_policies made;
  auto callable = all_guarded(functions);
  if (!callable)
    return tl::unexpected{callable.error()};
  made.set_functions(std::move(*callable));
  auto policy = read(made, "sync", section.conflict);
  if (!policy)
    return tl::unexpected{policy.error()};
  made.set_default(*policy);
  for (const auto& [type, model] : models.all())
    if (auto added = add_type(made, model); !added)
      return tl::unexpected{added.error()};
  return made;
}

} // namespace gemel
