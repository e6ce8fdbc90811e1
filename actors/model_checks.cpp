#include "actors/model_checks.hpp"

#include "actors/update_draft.hpp"

namespace gemel {

const property_model* model_checks::find(known_type& type, key_id key, std::string_view name) {
  if (update_draft::is_new(key))
    return type.model->find(name);
  auto [i, is_new] = type.declared.try_emplace(static_cast<std::uint32_t>(key));
  if (is_new)
    i->second = type.model->find(name);
  return i->second;
}

result<void> model_checks::check(type_id type, key_id key, std::string_view name,
                                 const value& content) {
  auto [i, is_new] = known_.try_emplace(static_cast<std::uint32_t>(type));
  auto& known = i->second;
  if (is_new)
    known.model = models_.find(types_.text(type));
  if (known.model == nullptr)
    return {};
  if (const auto* declared = find(known, key, name))
    return gemel::check(*declared, content);
  if (!known.model->closed)
    return {};
  return fail(errc::bad_name,
              "the model of " + known.model->name + " declares no property " + std::string{name});
}

} // namespace gemel
