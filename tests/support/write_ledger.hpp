#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace gemel::test {

/// Who writes to a node that is killed notes here what was sent and what was acknowledged, and
/// compares after each recovery. It knows nothing of how a node stores.
///
/// Each twin has one writer, which sends it the numbers 1, 2, 3 ... in order; one update sets two
/// properties, the number and a second one made from it (`twin_of`), so that a half of an update is
/// seen. What must hold: each twin shows a number that was sent, not below the last acknowledged
/// one (nothing lost), not above the last sent one (nothing invented), whole. Any thread may call.
class write_ledger {
public:
  /// The second property of an update of this number.
  static std::uint64_t twin_of(std::uint64_t number) noexcept {
    return number * 0x9e37'79b9'7f4a'7c15U >> 12;
  }

  /// The next number to send to this twin; it counts as sent.
  std::uint64_t send(const std::string& id) {
    std::lock_guard hold{mutex_};
    return ++twins_[id].sent;
  }

  /// The same of a writer that counts for itself, upwards.
  void sent(const std::string& id, std::uint64_t number) {
    std::lock_guard hold{mutex_};
    twins_[id].sent = number;
  }

  void acknowledged(const std::string& id, std::uint64_t number) {
    std::lock_guard hold{mutex_};
    auto& known = twins_[id];
    if (number > known.acknowledged)
      known.acknowledged = number;
    ++acknowledged_;
  }

  /// What a recovered node shows of one twin; nothing: it has no such twin.
  struct seen {
    std::uint64_t number = 0;
    std::uint64_t second = 0;
  };
  using reader = std::function<std::optional<seen>(const std::string& id)>;

  /// What does not hold, a line each. Then goes on from what the node has: numbers that were sent
  /// and never acknowledged may be gone, and are not sent again.
  std::vector<std::string> compare(const reader& read) {
    std::lock_guard hold{mutex_};
    std::vector<std::string> wrong;
    for (auto& [id, known] : twins_) {
      auto shown = read(id);
      if (auto why = why_wrong(known, shown); !why.empty())
        wrong.push_back(id + ": " + why);
      if (shown)
        known.acknowledged = shown->number; // it was there once, so it must stay
    }
    return wrong;
  }

  std::uint64_t acknowledged() const {
    std::lock_guard hold{mutex_};
    return acknowledged_;
  }
  std::size_t twins() const {
    std::lock_guard hold{mutex_};
    return twins_.size();
  }

private:
  struct history {
    std::uint64_t sent = 0;
    std::uint64_t acknowledged = 0;
  };

  static std::string why_wrong(const history& known, const std::optional<seen>& shown) {
    auto number = shown ? shown->number : 0;
    if (number < known.acknowledged)
      return "lost: " + std::to_string(known.acknowledged) + " was acknowledged, it shows "
             + (shown ? std::to_string(number) : "nothing");
    if (number > known.sent)
      return "invented: it shows " + std::to_string(number) + ", the last sent was "
             + std::to_string(known.sent);
    if (shown && number > 0 && shown->second != twin_of(number))
      return "half an update: " + std::to_string(number) + " with " + std::to_string(shown->second);
    return {};
  }

  mutable std::mutex mutex_;
  std::map<std::string, history> twins_;
  std::uint64_t acknowledged_ = 0;
};

} // namespace gemel::test
