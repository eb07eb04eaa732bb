#include "pgeist/probe/estimate.hpp"

#include <algorithm>

namespace pgeist::probe {

namespace {

/// What a server with ordinary disks does in a second. Rather too little: a wait that turns out shorter than was said
/// hurts nobody.
constexpr double read_per_ms = 250'000;          // bytes
constexpr double written_per_ms = 60'000;        // bytes, with their WAL
constexpr double indexed_per_ms = 50'000;        // bytes of an index
constexpr double rows_sorted_per_ms = 600;       // for a new index
constexpr double rows_looked_up_per_ms = 1'000;  // by a foreign key
constexpr double rows_changed_per_ms = 100;      // by UPDATE and DELETE
constexpr std::int64_t lock_alone_ms = 1;

class estimating {
public:
    estimating(const ddl::statement& what, const schema& before) : what_(what), before_(before) {}

    void run(effect& of) {
        for (const std::string& each : of.rewrites) {
            rewrite(each);
        }
        for (const std::string& each : of.scans) {
            scan(each);
        }
        for (const std::string& each : of.builds) {
            build(each);
        }
        if (new_index_) {
            build_new();
        }
        change_rows(what_);
        if (!known_) {
            return;
        }
        of.bytes = bytes_;
        of.work_ms = static_cast<std::int64_t>(ms_);
        const bool waits = std::any_of(of.locks.begin(), of.locks.end(), [&](const relation_lock& each) {
            return each.kind != relation_kind::type && !before_.is_new(each.relation) && blocks_writes(each.mode);
        });
        of.blocks_ms = waits ? std::max(lock_alone_ms, *of.work_ms) : 0;
    }

private:
    struct size {
        double bytes = 0;
        double rows = 0;
    };

    size size_of(const std::string& relation) {
        const known_relation* found = before_.find(relation);
        if (found != nullptr && found->size) {
            const auto bytes = static_cast<double>(found->size->bytes);
            const auto rows = static_cast<double>(found->size->rows);
            constexpr double usual_row = 100;
            return {bytes, rows > 0 ? rows : bytes / usual_row};
        }
        if (!before_.is_empty(relation)) {
            known_ = false;
        }
        return {};
    }

    void add(double bytes, double ms) {
        bytes_ += static_cast<std::int64_t>(bytes);
        ms_ += ms;
    }

    void rewrite(const std::string& relation) {
        const size of = size_of(relation);
        add(2 * of.bytes, of.bytes / read_per_ms + of.bytes / written_per_ms);
        for (const std::string& each : before_.indexes_of(relation)) {
            const auto index = static_cast<double>(before_.find_index(each)->bytes.value_or(0));
            add(index, index / indexed_per_ms);
        }
    }

    void scan(const std::string& relation) {
        const size of = size_of(relation);
        add(of.bytes, of.bytes / read_per_ms + (checks_keys() ? of.rows / rows_looked_up_per_ms : 0));
    }

    [[nodiscard]] bool checks_keys() const {
        return std::any_of(what_.clauses.begin(), what_.clauses.end(), [](const ddl::clause& each) {
            return each.made && each.made->kind == ddl::constraint_kind::foreign_key;
        });
    }

    void build(const std::string& index) {
        const known_index* found = before_.find_index(index);
        if (found == nullptr || !found->bytes) {
            new_index_ = true;
            return;
        }
        const size table = size_of(found->table);
        const auto bytes = static_cast<double>(*found->bytes);
        add(table.bytes + bytes, table.bytes / read_per_ms + bytes / indexed_per_ms);
    }

    /// Of an index that is not there yet only the table is known.
    void build_new() {
        constexpr double entry = 24;
        const auto concerned = before_.tree_of(before_.name_of(what_.relation), false);
        for (const std::string& each : concerned) {
            const known_relation* found = before_.find(each);
            if (found != nullptr && found->kind == relation_kind::partitioned_table && concerned.size() > 1) {
                continue;
            }
            const size of = size_of(each);
            add(of.bytes + entry * of.rows, of.bytes / read_per_ms + of.rows / rows_sorted_per_ms);
        }
    }

    void change_rows(const ddl::statement& what) {
        using kind = ddl::statement_kind;
        const bool changes = what.kind == kind::update || what.kind == kind::remove || what.kind == kind::merge;
        if (what.kind == kind::copy || (what.kind == kind::insert && !what.reads.empty()) ||
            (what.kind == kind::create_table_as && !what.reads.empty())) {
            for (const qualified_name& each : what.reads) {
                const size of = size_of(before_.name_of(each));
                add(2 * of.bytes, of.rows / rows_changed_per_ms);
            }
            known_ = known_ && what.kind != kind::copy;  // how much is in its file, nobody knows
        } else if (changes && !what.pointed && !what.limited) {
            const size of = size_of(before_.name_of(what.relation));
            add(2 * of.bytes, of.bytes / read_per_ms + of.rows / rows_changed_per_ms);
        }
        for (const ddl::statement& each : what.writes) {
            change_rows(each);
        }
    }

    const ddl::statement& what_;
    const schema& before_;
    bool known_ = true;
    bool new_index_ = false;
    std::int64_t bytes_ = 0;
    double ms_ = 0;
};

}  // namespace

void estimate(effect& of, const ddl::statement& what, const schema& before) { estimating(what, before).run(of); }

}  // namespace pgeist::probe
