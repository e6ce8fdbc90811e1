#include "actors/cell.hpp"
#include "messages/replies.hpp"

#include <type_traits>

namespace gemel {

void cell::hold(std::uint32_t index, row_claim_ptr by) {
  held_.hold(index, std::move(by));
  row_at(index).set(twin_row::held);
}

void cell::settle(std::uint32_t index, const moment& now) {
  auto by = held_.claim_on(index);
  if (by == nullptr || !by->decided())
    return;
  by->carry_out(*this, index, now);
  held_.settle(index);
}

void cell::settle_all(const moment& now) {
  if (held_.empty())
    return;
  for (auto index : held_.claimed())
    settle(index, now);
}

/// For those who cannot wait: a supervisor, a delete of the parent.
bool cell::reclaim(std::uint32_t index, const moment& now) {
  if (!row_at(index).has(twin_row::held)) [[likely]]
    return true;
  auto by = held_.claim_on(index);
  if (by != nullptr && !by->yield())
    return false;
  settle(index, now);
  return true;
}

/// Whether work for the row has to wait for the end of a claim on it.
bool cell::is_held(std::uint32_t index, const moment& now) {
  if (index >= row_count_ || !row_at(index).has(twin_row::held)) [[likely]]
    return false;
  settle(index, now);
  return true;
}

/// Puts entry `i` aside if its row is held. It is answered later, or as `overloaded` at once.
bool cell::put_aside(const batch_part& part, std::uint32_t i, const moment& now) {
  const auto& where = part.of->routes()[i];
  if (!is_held(where.row, now)) [[likely]]
    return false;
  part.of->open_part();
  if (!held_.defer(where.row, batch_part{part.of, i, i + 1})) {
    part.of->fail(where.index, {errc::overloaded, "too much waits for atomic batches and moves"});
    close(part.of, 0);
  }
  return true;
}

/// The same of a message to a twin's own address.
bool cell::put_aside(addressed_message& message, const moment& now) {
  if (!is_held(message.row, now)) [[likely]]
    return false;
  auto row = message.row;
  if (work item{std::move(message)}; !held_.defer(row, std::move(item))) {
    auto& back = std::get<addressed_message>(item);
    if (back.reply)
      back.reply(
          make_error_reply({errc::overloaded, "too much waits for atomic batches and moves"}));
  }
  return true;
}

bool cell::take_resumed(std::vector<work>& into) {
  auto index = held_.take_settled(into);
  if (index == twin_row::none) [[likely]]
    return false;
  row_at(index).set(twin_row::held, false);
  return true;
}

} // namespace gemel
