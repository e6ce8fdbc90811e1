#pragma once

#include "actors/behavior_effects.hpp"
#include "actors/cell.hpp"

#include <optional>
#include <stdexcept>
#include <string>

namespace gemel {

/// One call of a behaviour: lends it its twin, keeps what it does besides changing it, and catches
/// what it throws. This is the edge at which an exception of foreign code becomes a crash of one
/// twin.
class cell::behavior_context final : public twin_context {
public:
  /// Thrown through a behaviour that defers a command when too many wait; no std::exception, since
  /// it is not for the behaviour to handle.
  struct too_many_commands {};

  behavior_context(cell& owner, std::uint32_t index, hybrid_time at, const moment& now)
      : owner_{owner}, index_{index}, at_{at}, now_{now}, id_{row().id.str()} {}

  /// Makes the twin's behaviour and starts it. What was thrown, or nothing.
  /// @param is_new it was never started before.
  std::optional<std::string> run_start(const behavior_factory& factory, bool is_new,
                                       std::unique_ptr<behavior>& made);

  /// @param changes_begin where the update's changes start on the lane.
  std::optional<std::string> run_update(behavior& of, std::uint32_t changes_begin);

  /// @param is_command whether the answer may come later.
  std::optional<std::string> run(const std::function<void(behavior_context&)>& call,
                                 bool is_command);

  behavior_effects& effects() noexcept { return effects_; }
  /// The call ended because too many commands wait.
  bool overloaded() const noexcept { return overloaded_; }

  std::string_view id() const override { return id_; }
  std::string_view type() const override {
    return owner_.world_.symbols.text(row().layout->type());
  }
  std::uint64_t version() const override { return row().version; }
  std::int64_t now_us() const override { return now_.unix_us; }
  std::string_view cause() const override { return owner_.cause_; }
  const value* get(std::string_view key) const override;
  void set(std::string_view key, value content) override;
  void unset(std::string_view key) override;
  void emit(std::string_view name, properties payload) override;
  void send(std::string_view id, std::string_view name, properties payload) override;
  void tick_every(std::chrono::milliseconds period) override;
  void cancel_tick() override { effects_.tick = std::chrono::milliseconds{0}; }
  command_reply defer() override;
  void run(behavior_work work, work_continuation then) override;

private:
  twin_row& row() const { return owner_.row_at(index_); }
  key_id intern(std::string_view key);
  void count_effect() const;

  template <class Call>
  std::optional<std::string> guarded(Call call);

  cell& owner_;
  std::uint32_t index_;
  hybrid_time at_;
  const moment& now_;
  std::string id_;
  behavior_effects effects_;
  bool is_command_ = false;
  bool overloaded_ = false;
};

} // namespace gemel
