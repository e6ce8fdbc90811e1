#include "workflows/json_document.hpp"

#include "messages/json_scan.hpp"

#include <set>

namespace gemel {

namespace {

// Reports keys that stand twice, in the value at `offset` and all below it.
void find_doubles(std::string_view text, std::size_t offset, const std::string& pointer,
                  fault_list& faults) {
  json_scanner scanner{text, offset};
  if (scanner.peek() == '{') {
    std::set<std::string> seen;
    for (const auto& member : json_members(text, offset)) {
      auto at = pointer + json_pointer_step(member.key);
      if (!seen.insert(member.key).second)
        add_fault(faults, {.code = errc::bad_syntax,
                           .at = at,
                           .message = "'" + member.key + "' stands twice",
                           .hint = "keep one of them",
                           .name = "bad_json"});
      find_doubles(text, member.value_offset, at, faults);
    }
  } else if (scanner.accept('[') && !scanner.accept(']')) {
    std::size_t index = 0;
    do {
      scanner.skip_space();
      find_doubles(text, scanner.offset(), pointer + "/" + std::to_string(index++), faults);
      scanner.value_text();
    } while (scanner.accept(','));
  }
}

} // namespace

tl::expected<json_document, fault_list> json_document::parse(std::string text, std::string file) {
  auto refuse = [&](errc code, std::string message) {
    return tl::unexpected<fault_list>(
        fault_list{{.code = code, .file = file, .message = std::move(message)}});
  };
  if (text.size() > json_document_bytes_max)
    return refuse(errc::limit_reached,
                  "a document of " + std::to_string(text.size()) + " bytes, at most "
                      + std::to_string(json_document_bytes_max) + " are allowed");
  auto root = value_from_json(text);
  if (!root) {
    auto where = split_place(root.error().context).value_or(placed_text{{}, root.error().context});
    return tl::unexpected<fault_list>(fault_list{{.code = root.error().code,
                                                  .file = file,
                                                  .line = where.place.line,
                                                  .column = where.place.column,
                                                  .message = where.what,
                                                  .name = "bad_json"}});
  }
  json_document made{std::move(text), std::move(file), std::move(*root)};
  json_scanner start{made.text_};
  start.skip_space();
  fault_list faults;
  find_doubles(made.text_, start.offset(), {}, faults);
  if (faults.empty())
    return made;
  made.place(faults);
  return tl::unexpected<fault_list>(std::move(faults));
}

text_place json_document::place_of(std::string_view pointer) const {
  return gemel::place_of(text_, json_offset_of(text_, pointer));
}

void json_document::place(fault_list& faults) const {
  for (auto& one : faults) {
    one.file = file_;
    if (one.line != 0)
      continue;
    auto at = place_of(one.at);
    one.line = at.line;
    one.column = at.column;
  }
  sort_faults(faults);
}

} // namespace gemel
