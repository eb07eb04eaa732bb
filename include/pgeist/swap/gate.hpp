#pragma once

namespace pgeist::swap {

/// How an attempt at the swap stands.
enum class state { none, under_way, committed };

/// What the user wants of the swap, and who is told of it.
class gate {
public:
    virtual ~gate() = default;
    /// Whether the user wants no attempt at the swap now, or something else first.
    [[nodiscard]] virtual bool holds_swap() { return false; }
    /// Told of each attempt: while one is under way, nothing that the user asks for is acknowledged, since it may come
    /// too late.
    virtual void swap_is(state) {}
};

}  // namespace pgeist::swap
