#pragma once

#include <cstddef>
#include <deque>
#include <functional>

namespace gemel {

/// Lets so much work be under way at a time; the rest waits, in order. One thread's.
class work_gate {
public:
  /// @param most weight that may be under way; at least 1.
  explicit work_gate(std::size_t most) : most_{most} {}
  work_gate(const work_gate&) = delete;
  work_gate& operator=(const work_gate&) = delete;

  /// Calls `go` when there is room, maybe at once. What is heavier than all room goes alone.
  void enter(std::size_t weight, std::function<void()> go);
  /// As much as has entered; calls those that have room now.
  void leave(std::size_t weight);

  std::size_t under_way() const noexcept { return under_way_; }
  std::size_t waiting() const noexcept { return waiting_.size(); }

private:
  struct entry {
    std::size_t weight;
    std::function<void()> go;
  };

  void let_in();

  std::size_t most_;
  std::size_t under_way_ = 0;
  std::deque<entry> waiting_; // oldest first; bounded by the steps of all open runs
  bool letting_in_ = false;
};

} // namespace gemel
