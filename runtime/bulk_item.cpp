#include "runtime/bulk_item.hpp"

namespace gemel {

namespace {

// A text's pointer, its end and its padding, in a frame.
constexpr std::size_t text_overhead = 16;

std::size_t frame_bytes_of(const properties& all) {
  std::size_t bytes = 0;
  for (const auto& one : all)
    bytes += text_overhead + one.key.size() + gemel::frame_bytes_of(one.content);
  return bytes;
}

struct measure {
  std::size_t operator()(const new_twin& twin) const {
    return 128 + twin.id.size() + twin.type.size() + twin.parent.size() + twin.placement.size()
           + frame_bytes_of(twin.properties);
  }
  std::size_t operator()(const twin_update& change) const {
    auto bytes = 192 + change.id.size() + change.condition.size() + frame_bytes_of(change.set)
                 + frame_bytes_of(change.add);
    for (const auto& key : change.unset)
      bytes += text_overhead + key.size();
    for (const auto& key : change.if_absent)
      bytes += text_overhead + key.size();
    for (const auto& path : change.paths)
      bytes += 2 * text_overhead + path.path.size() + gemel::frame_bytes_of(path.content);
    return bytes;
  }
  std::size_t operator()(const twin_emit& event) const {
    return 96 + event.id.size() + event.name.size() + frame_bytes_of(event.payload);
  }
  std::size_t operator()(const std::string& id) const { return text_overhead + id.size(); }
};

} // namespace

std::string_view to_string(bulk_action action) noexcept {
  switch (action) {
  case bulk_action::create:
    return "create";
  case bulk_action::update:
    return "update";
  case bulk_action::remove:
    return "delete";
  case bulk_action::emit:
    return "emit";
  }
  return "unknown";
}

std::string_view id_of(const bulk_content& what) noexcept {
  if (const auto* twin = std::get_if<new_twin>(&what))
    return twin->id;
  if (const auto* change = std::get_if<twin_update>(&what))
    return change->id;
  if (const auto* event = std::get_if<twin_emit>(&what))
    return event->id;
  return std::get<std::string>(what);
}

std::size_t frame_bytes_of(const value& content) {
  std::size_t bytes = 48;
  if (content.is_text())
    return bytes + content.as_text().size();
  if (content.is_bytes())
    return bytes + content.as_bytes().size();
  if (content.is_list())
    for (const auto& element : content.as_list())
      bytes += frame_bytes_of(element);
  if (content.is_map())
    for (const auto& member : content.as_map())
      bytes += text_overhead + member.key.size() + frame_bytes_of(member.content);
  return bytes;
}

std::size_t frame_bytes_of(const bulk_content& what) {
  return std::visit(measure{}, what);
}

} // namespace gemel
