#pragma once

#include "runtime/twin_api.hpp"

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace gemel {

/// Rows asked for at once.
inline constexpr std::uint32_t page_rows = 1'000;

/// Takes one page; false: no further one.
using page_sink = std::function<bool(std::span<const twin_record> page)>;

/// Asks for the twins of `asked` page after page, at most `limit` of them; 0: all.
/// @returns whether more match than were taken; the node's error, after the pages before it.
result<bool> read_pages(twin_api& from, query_request asked, std::uint64_t limit,
                        const page_sink& take);

/// Whether the twin lies below `ancestor` by its path; true for an empty one. A node of before
/// `query_request::ancestor` answers all twins: nothing may be deleted on its word.
bool lies_under(const twin_record& twin, std::string_view ancestor);

} // namespace gemel
