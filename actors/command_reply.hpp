#pragma once

#include "actors/ports.hpp"
#include "messages/error.hpp"
#include "messages/value.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

namespace gemel {

class cell;

/// The way back into a cell for what may outlive it. Any thread may use it.
class cell_outlet {
public:
  using job = std::function<void(cell&, const moment&)>;

  explicit cell_outlet(std::function<void(job)> post) : post_{std::move(post)} {}

  /// Has `what` run in the cell's turn; nothing once the cell is gone. Never refused: who posts
  /// has a bound of its own.
  void post(job what);

  /// The cell is going; waits for posts that are under way.
  void close();

private:
  std::mutex mutex_;
  std::function<void(job)> post_;
};

/// The answer to a command that comes later. Whoever holds it may answer, from any thread; thrown
/// away without an answer it answers errc::command_failed. An answer after the command's deadline,
/// or after the twin's behaviour ended, is ignored.
class command_reply {
public:
  /// One that answers nothing.
  command_reply() = default;
  command_reply(std::shared_ptr<cell_outlet> to, std::uint64_t number)
      : to_{std::move(to)}, number_{number} {}
  command_reply(command_reply&& other) noexcept = default;
  command_reply& operator=(command_reply&& other) noexcept;
  ~command_reply();

  /// Whether an answer is still to be given.
  explicit operator bool() const noexcept { return to_ != nullptr; }

  /// Answers; once. An error is answered as errc::command_failed.
  void complete(result<value> answer);

private:
  std::shared_ptr<cell_outlet> to_;
  std::uint64_t number_ = 0;
};

} // namespace gemel
