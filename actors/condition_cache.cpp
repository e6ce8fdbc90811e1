#include "actors/condition_cache.hpp"

namespace gemel {

result<condition_cache::compiled*> condition_cache::find(std::string_view text) {
  if (last_ != nullptr && last_->first == text)
    return last_->second.get();
  auto known = conditions_.find(std::string{text});
  if (known == conditions_.end()) {
    auto made = expression::compile(text);
    if (!made)
      return tl::unexpected<error>(std::move(made.error()));
    if (conditions_.size() >= conditions_max) {
      last_ = nullptr;
      conditions_.clear();
    }
    twin_binder binder{*made, keys_};
    auto both = std::make_unique<compiled>(compiled{std::move(*made), std::move(binder)});
    known = conditions_.emplace(std::string{text}, std::move(both)).first;
  }
  last_ = &*known;
  return known->second.get();
}

result<bool> condition_cache::holds(std::string_view text, const twin_row& row,
                                    const twin_metadata& about) {
  return find(text).map(
      [&](compiled* of) { return of->condition.test(of->binder.bind(row, about)); });
}

} // namespace gemel
