#pragma once

#include "messages/error.hpp"
#include "messages/frame.hpp"
#include "registry/placement.hpp"

#include <cstdint>
#include <functional>

/// What actors need from the world, and nothing more. The runtime gives the real ones, tests give
/// simulated ones.
namespace gemel {

/// One reading of a node's clocks.
struct moment {
  /// Wall clock, microseconds since 1970 UTC; may go back.
  std::int64_t unix_us = 0;
  /// Nanoseconds since some fixed point; never goes back.
  std::int64_t steady_ns = 0;
};

/// Tells the time. Any thread may ask.
class clock_port {
public:
  virtual ~clock_port() = default;
  virtual moment now() const noexcept = 0;
};

/// A twin's or hierarchy actor's CAF actor, as the core sees it: something to keep and give back.
class twin_address;

/// Makes and ends the CAF actors behind twins. Called by the cell that owns the row.
class address_port {
public:
  virtual ~address_port() = default;

  /// A live actor whose messages go to `row` of `cell`. Owned by the caller until `end`.
  virtual twin_address* make(cell_id cell, std::uint32_t row) = 0;

  /// Messages to the actor go to another place from now on. While it moves nobody is between
  /// finding its place and pushing to it.
  virtual void move(twin_address*, cell_id, std::uint32_t) {}

  /// Ends the actor: its monitors and links hear of it, later messages bounce.
  virtual void end(twin_address* address) noexcept = 0;
};

/// Does long work on threads that run no cell. Any thread may ask.
class work_port {
public:
  virtual ~work_port() = default;

  /// Has `work`, which does not throw, done soon. @returns false if too much waits already; it will
  /// not be done then.
  [[nodiscard]] virtual bool submit(std::function<void()> work) = 0;
};

/// Answers one request; called at most once, from the thread of any cell.
using reply_function = std::function<void(frame)>;

} // namespace gemel
