#pragma once

#include <cstdint>
#include <string>

#include "pgeist/transfer/replay/replay_sql.hpp"

// The statements of a batch that keeps what the write side has of its own, and sets apart what does not fit it. All of
// a batch's run in one REPEATABLE READ transaction. The batch is a table of one row a key, numbered from 1, with what
// the write side had: `state` is null until the row is set apart.
namespace pgeist::replay {

/// Rows of the batch, by number.
struct numbers {
    numbers(std::int64_t from, std::int64_t to) : first(from), end(to) {}

    std::int64_t first;
    std::int64_t end;  ///< behind the last
};

class keep_statements {
public:
    explicit keep_statements(const transfer::spec& transfer) : transfer_(&transfer) {}

    /// One row: links (whether there is a visible one), unfit (whether a row is set apart), conflicts (whether one is
    /// because it was in another's way).
    [[nodiscard]] std::string look() const;

    /// The selected keys, each with the row that the write side has under it now, or has set apart. A key under which a
    /// row was made since has none.
    [[nodiscard]] std::string fill(const selection& rows) const;
    /// The same for the whole log when keys were changed: what the write side had under the key that the row had then.
    /// The first brings together what came under which key. Keys of rows that are in each other's way belong to it too.
    [[nodiscard]] std::string note_arrivals() const;
    [[nodiscard]] std::string fill_by_links() const;

    /// Takes the batch's keys out of the write side; and out of what is set apart.
    [[nodiscard]] std::string take_out(const numbers& of) const;
    [[nodiscard]] std::string take_out_unfit(const numbers& of) const;

    /// Inserts the current rows of those keys that the write side had, and of those that it had not.
    [[nodiscard]] std::string insert_lived(const numbers& of) const;
    [[nodiscard]] std::string insert_new(const numbers& of) const;
    /// Marks the rows whose key would be another one on the write side, so that they would not be found again there.
    [[nodiscard]] bool may_lose_keys() const;
    [[nodiscard]] std::string mark_lost_keys(const numbers& of) const;
    /// Whether any value is to be proven.
    [[nodiscard]] bool proves() const;
    /// Marks the rows of which a value does not go back, see transfer::column::proven.
    [[nodiscard]] std::string mark_changed(const numbers& of) const;
    /// Takes marked rows out of the write side again.
    [[nodiscard]] std::string take_out_marked() const;

    /// The rows not yet marked as the write side would have them, into the stage.
    [[nodiscard]] std::string stage(const numbers& of) const;
    [[nodiscard]] bool can_prove_in_stage() const;
    [[nodiscard]] std::string mark_changed_in_stage(const numbers& of) const;

    /// Sets marked rows apart.
    [[nodiscard]] std::string set_apart() const;
    /// Where touches are logged, once all rows are where they belong: what must be known of the batch's rows later.
    [[nodiscard]] std::string forget_since() const;
    [[nodiscard]] std::string remember_since() const;
    /// Empties the tables that only the batch uses.
    [[nodiscard]] std::string empty() const;

    /// `t."id" AS k1, …`: the key of a row of the write side, in the types of the read side.
    [[nodiscard]] std::string written_key(const std::string& alias) const;
    /// `t."id" AS c1, t."price" AS c2, …`: all columns of the write side.
    [[nodiscard]] std::string written_columns(const std::string& alias) const;
    /// `b.c1 AS "id", b.c2 AS "price", …`: the write side's columns from what is kept of them.
    [[nodiscard]] std::string named_columns(const std::string& alias) const;
    /// `c1, c2, …`
    [[nodiscard]] std::string kept_columns(const std::string& alias = "") const;

private:
    [[nodiscard]] std::string take_out_where(const std::string& condition) const;
    [[nodiscard]] std::string batch_rows(const numbers& of, const char* condition) const;
    [[nodiscard]] std::string read_row() const;
    [[nodiscard]] std::string inverses(const std::string& row) const;
    [[nodiscard]] std::string brought(std::size_t place) const;
    [[nodiscard]] std::string is_same(std::size_t place) const;
    [[nodiscard]] std::string digest(std::size_t place, const std::string& written) const;
    [[nodiscard]] std::string held_value(std::size_t place, std::size_t bit) const;
    [[nodiscard]] std::string seems_untouched(std::size_t place) const;
    [[nodiscard]] std::string lived_value(std::size_t place) const;
    [[nodiscard]] std::string what_changed() const;
    [[nodiscard]] std::string mark(const std::string& reason, const std::string& from) const;

    const transfer::spec* transfer_;
};

}  // namespace pgeist::replay
