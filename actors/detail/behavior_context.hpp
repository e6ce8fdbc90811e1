#pragma once

#include "actors/cell.hpp"

#include <optional>
#include <stdexcept>
#include <string>

namespace gemel {

/// One call of a behaviour: lends it its twin, and catches what it throws. This is the edge at
/// which an exception of foreign code becomes a crash of one twin.
class cell::behavior_context final : public twin_context {
public:
  behavior_context(cell& owner, std::uint32_t index, hybrid_time at, const moment& now)
      : owner_{owner}, index_{index}, at_{at}, now_{now}, id_{row().id.str()} {}

  /// Makes the twin's behaviour and starts it. What was thrown, or nothing.
  std::optional<std::string> run_start(const behavior_factory& factory,
                                       std::unique_ptr<behavior>& made);

  /// @param changes_begin where the update's changes start on the lane.
  std::optional<std::string> run_update(behavior& of, std::uint32_t changes_begin);

  std::string_view id() const override { return id_; }
  std::string_view type() const override {
    return owner_.world_.symbols.text(row().layout->type());
  }
  std::uint64_t version() const override { return row().version; }
  std::int64_t now_us() const override { return now_.unix_us; }
  const value* get(std::string_view key) const override;
  void set(std::string_view key, value content) override;

private:
  twin_row& row() const { return owner_.row_at(index_); }

  template <class Call>
  std::optional<std::string> guarded(Call call);

  cell& owner_;
  std::uint32_t index_;
  hybrid_time at_;
  const moment& now_;
  std::string id_;
};

} // namespace gemel
