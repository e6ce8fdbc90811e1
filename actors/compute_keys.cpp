#include "actors/compute_keys.hpp"

namespace gemel {

void compute_keys::forget_old(std::int64_t now_ms) {
  while (!results_.empty()
         && (results_.size() > bounds_.results_max
             || now_ms - results_.front().first >= bounds_.keep_ms)) {
    calls_.erase(results_.front().second);
    results_.pop_front();
  }
}

bool compute_keys::begin(const std::string& key, std::uint64_t what, done_function done,
                         std::int64_t now_ms) {
  forget_old(now_ms);
  auto [at, is_new] = calls_.try_emplace(key);
  auto& known = at->second;
  if (is_new) {
    known.what = what;
    known.waiters.push_back(std::move(done));
    return true;
  }
  if (known.what != what) {
    done(fail(errc::precondition_failed,
              "the key '" + key + "' stands for another function or input"));
  } else if (known.answer) {
    done(*known.answer);
  } else if (known.waiters.size() >= bounds_.waiters_max) {
    done(fail(errc::overloaded, "too many wait for the call '" + key + "'"));
  } else {
    known.waiters.push_back(std::move(done));
  }
  return false;
}

void compute_keys::finished(const std::string& key, const result<value>& answer,
                            std::int64_t now_ms) {
  auto found = calls_.find(key);
  if (found == calls_.end())
    return;
  auto waiters = std::move(found->second.waiters);
  if (answer) {
    found->second.waiters.clear();
    found->second.answer = *answer;
    results_.emplace_back(now_ms, key);
    forget_old(now_ms);
  } else {
    calls_.erase(found);
  }
  for (const auto& done : waiters)
    done(answer);
}

} // namespace gemel
