#pragma once

#include "runtime/twin_api.hpp"

#include <cstdint>
#include <functional>
#include <span>

namespace gemel {

/// Rows asked for at once.
inline constexpr std::uint32_t page_rows = 1'000;

/// Takes one page; false: no further one.
using page_sink = std::function<bool(std::span<const twin_record> page)>;

/// Asks for the twins of `asked` page after page, at most `limit` of them; 0: all.
/// @returns whether more match than were taken; the node's error, after the pages before it.
result<bool> read_pages(twin_api& from, query_request asked, std::uint64_t limit,
                        const page_sink& take);

} // namespace gemel
