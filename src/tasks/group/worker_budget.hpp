#pragma once

#include <cstdint>
#include <vector>

namespace pgeist::group {

/// Deals out --workers among tables that are copied side by side: the largest first, no more at a time than there are
/// workers, and what is over to the largest of them.
class worker_budget {
public:
    void add(std::int64_t job, std::int64_t bytes);
    /// Whether this one's turn has come, of so many workers in all.
    [[nodiscard]] bool may_begin(std::int64_t job, int workers) const;
    void waits(std::int64_t job);
    void begins(std::int64_t job);
    void ends(std::int64_t job);
    /// How many of `workers` it has now; one at least.
    [[nodiscard]] int share(std::int64_t job, int workers) const;

private:
    enum class standing { waits, at_work, ready };
    struct table {
        std::int64_t job;
        std::int64_t bytes;
        standing now = standing::waits;
    };
    [[nodiscard]] int at_work() const;
    void set(std::int64_t job, standing now);

    std::vector<table> tables_;  ///< largest first
};

}  // namespace pgeist::group
