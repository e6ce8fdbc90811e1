#include "runtime/program/pages.hpp"

#include <algorithm>

namespace gemel {

result<bool> read_pages(twin_api& from, query_request asked, std::uint64_t limit,
                        const page_sink& take) {
  std::uint64_t taken = 0;
  for (;;) {
    auto wanted = limit == 0 ? page_rows : std::min<std::uint64_t>(page_rows, limit - taken);
    asked.limit = static_cast<std::uint32_t>(wanted);
    auto page = from.query(asked);
    if (!page)
      return tl::unexpected<error>(std::move(page.error()));
    taken += page->twins.size();
    if (!take(page->twins) || page->next.empty() || (limit != 0 && taken >= limit))
      return !page->next.empty();
    asked.page_token = std::move(page->next);
  }
}

bool lies_under(const twin_record& twin, std::string_view ancestor) {
  if (ancestor.empty())
    return true;
  auto found = twin.path.find('/' + std::string{ancestor} + '/');
  return found != std::string::npos;
}

} // namespace gemel
