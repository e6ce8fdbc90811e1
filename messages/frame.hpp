#pragma once

#include "messages/error.hpp"
#include "messages/message.capnp.h"

#include <capnp/message.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace gemel {

/// One immutable message: a Cap'n Proto `wire::Message` in a single segment, 8-byte aligned,
/// reference-counted. Any number of actors read it in place at once; a copy costs one counter.
///
/// A frame is well-formed by construction: it was built by our own code (`build`), or it came from
/// outside and was checked once (`check`). Readers therefore never check again.
class frame {
public:
  /// No message at all.
  frame() noexcept = default;

  frame(const frame& other) noexcept : block_{other.block_} {
    if (block_ != nullptr)
      block_->count.fetch_add(1, std::memory_order_relaxed);
  }
  frame(frame&& other) noexcept : block_{std::exchange(other.block_, nullptr)} {}
  frame& operator=(frame other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~frame() {
    if (block_ != nullptr)
      release();
  }

  /// Copies what `builder` holds; its root must be a `wire::Message`. For our own messages only.
  static frame build(capnp::MessageBuilder& builder);

  /// Checks bytes from outside, whole and once: size, alignment, bounds, depth, kinds, UTF-8, key
  /// and type indexes, names, the limits of messages/limits.hpp.
  /// @param bytes what `bytes()` of a peer's frame gave; need not be aligned.
  /// @returns errc::bad_frame, or bad_name, bad_value, limit_reached, with the field's place such
  ///          as `update.updates[3].set[1]`.
  static result<frame> check(std::span<const std::byte> bytes);

  explicit operator bool() const noexcept { return block_ != nullptr; }

  /// The message, read in place. The reader lives as long as any copy of this frame.
  wire::Message::Reader message() const {
    GEMEL_CHECK(block_ != nullptr);
    return capnp::readMessageUnchecked<wire::Message>(block_->words());
  }

  /// What crosses a link or goes to disk. Empty if there is no message.
  std::span<const std::byte> bytes() const noexcept {
    if (block_ == nullptr)
      return {};
    return {reinterpret_cast<const std::byte*>(block_->words()), size()};
  }

  /// Bytes of the message.
  std::size_t size() const noexcept {
    return block_ != nullptr ? block_->word_count * sizeof(capnp::word) : 0;
  }

private:
  friend class frame_builder;

  struct block {
    std::atomic<std::uint32_t> count{1};
    std::uint32_t word_count = 0;

    capnp::word* words() noexcept { return reinterpret_cast<capnp::word*>(this + 1); }
    const capnp::word* words() const noexcept {
      return reinterpret_cast<const capnp::word*>(this + 1);
    }
  };
  static_assert(sizeof(block) == sizeof(capnp::word));

  explicit frame(block* owned) noexcept : block_{owned} {}
  static block* allocate(std::size_t word_count);
  void release() noexcept;

  block* block_ = nullptr;
};

/// Builds a message in the memory of the frame that it becomes: nothing is copied as long as it
/// fits the words that were guessed.
class frame_builder final : public capnp::MessageBuilder {
public:
  /// @param words guess of the message's size; if it is too small the message is copied once.
  explicit frame_builder(std::size_t words) noexcept : guess_{words} {}
  ~frame_builder() override;
  KJ_DISALLOW_COPY(frame_builder);

  wire::Message::Builder message() { return initRoot<wire::Message>(); }

  /// The frame; once, and nothing may be built afterwards.
  frame finish();

  kj::ArrayPtr<capnp::word> allocateSegment(unsigned words_min) override;

private:
  std::size_t guess_;
  frame::block* first_ = nullptr;
  std::vector<kj::Array<capnp::word>> more_;
};

} // namespace gemel
