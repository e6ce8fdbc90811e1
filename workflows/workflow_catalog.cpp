#include "workflows/workflow_catalog.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace gemel {

namespace {

fault_list one_fault(errc code, std::string file, std::string at, std::string message,
                     std::string hint) {
  fault_list faults;
  add_fault(faults, {.code = code,
                     .file = std::move(file),
                     .at = std::move(at),
                     .message = std::move(message),
                     .hint = std::move(hint)});
  return faults;
}

} // namespace

std::string workflow_catalog::digest_of(std::string_view text) {
  auto hash = XXH3_128bits(text.data(), text.size());
  constexpr std::string_view digits = "0123456789abcdef";
  std::string made;
  for (auto part : {hash.high64, hash.low64})
    for (int shift = 60; shift >= 0; shift -= 4)
      made += digits[(part >> static_cast<unsigned>(shift)) & 0xf];
  return made;
}

tl::expected<workflow_catalog::document_ptr, fault_list>
workflow_catalog::add(std::string text, std::string file, const workflow_names& known) {
  auto digest = digest_of(text);
  if (auto same = digests_.find(digest); same != digests_.end())
    return same->second;
  auto read = workflow::parse(std::move(text), file, known);
  if (!read)
    return tl::unexpected<fault_list>(std::move(read.error()));
  auto made = std::make_shared<const workflow>(std::move(*read));
  if (auto room = make_room(); !room)
    return tl::unexpected<fault_list>(
        one_fault(room.error().code, std::move(file), {}, room.error().context, {}));
  if (!made->name().empty()) {
    auto& slot = names_[made->name()][made->version()];
    if (slot != nullptr)
      return tl::unexpected<fault_list>(
          one_fault(errc::precondition_failed, std::move(file), "/version",
                    "version " + std::to_string(made->version()) + " of workflow '" + made->name()
                        + "' is another document",
                    "raise 'version': runs are pinned to theirs"));
    slot = made;
  }
  digests_.emplace(std::move(digest), made);
  count_triggers();
  return made;
}

result<void> workflow_catalog::make_room() {
  if (digests_.size() < documents_max)
    return {};
  std::erase_if(digests_, [](const auto& one) {
    return one.second->name().empty() && one.second.use_count() == 1;
  });
  if (digests_.size() >= documents_max)
    return fail(errc::limit_reached,
                "there are " + std::to_string(documents_max) + " documents already");
  return {};
}

void workflow_catalog::count_triggers() {
  event_triggers_ = 0;
  for (const auto& [name, known] : names_)
    for (const auto& trigger : known.rbegin()->second->triggers())
      event_triggers_ += trigger.what == workflow_trigger::kind::event;
}

workflow_catalog::document_ptr workflow_catalog::find(std::string_view name,
                                                      std::uint32_t version) const {
  auto known = names_.find(name);
  if (known == names_.end())
    return nullptr;
  if (version == 0)
    return known->second.rbegin()->second;
  auto found = known->second.find(version);
  return found != known->second.end() ? found->second : nullptr;
}

workflow_catalog::document_ptr workflow_catalog::find_digest(std::string_view digest) const {
  auto found = digests_.find(digest);
  return found != digests_.end() ? found->second : nullptr;
}

} // namespace gemel
