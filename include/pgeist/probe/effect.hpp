#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What a statement does to the server that runs it: which locks, what work, whether it fails. The answer has one
/// shape, whether a server was asked (a trial that is rolled back, or its catalogs) or the rules of src/probe/static_*.
/// Nothing here needs a server.
///
/// Relations and indexes are named as in the command-line contract: `schema.name`, each part in double quotes where
/// SQL needs them (qualified_name::display()). Where no server says otherwise an unqualified name is in `public`.
namespace pgeist::probe {

/// The table locks of PostgreSQL, from the weakest to the strongest.
enum class lock_mode {
    none,
    access_share,
    row_share,
    row_exclusive,
    share_update_exclusive,
    share,
    share_row_exclusive,
    exclusive,
    access_exclusive,
};

/// SQL's words: `ACCESS EXCLUSIVE`; empty for `none`.
[[nodiscard]] std::string_view words_of(lock_mode mode);

/// Reads SQL's words (`ACCESS EXCLUSIVE`) and the names of pg_locks (`AccessExclusiveLock`).
[[nodiscard]] std::optional<lock_mode> lock_mode_of(std::string_view text);

/// Whether two sessions cannot hold these modes on one relation at the same time.
[[nodiscard]] bool conflict(lock_mode a, lock_mode b);

/// Whether a plain SELECT on the relation waits.
[[nodiscard]] bool blocks_reads(lock_mode mode);
/// Whether INSERT, UPDATE and DELETE on the relation wait.
[[nodiscard]] bool blocks_writes(lock_mode mode);

/// What a name stands for, as far as it is known. `unknown` counts as a table.
enum class relation_kind { unknown, table, partitioned_table, index, sequence, view, materialized_view, type };

/// The strongest lock that a statement takes on one relation.
struct relation_lock {
    std::string relation;
    lock_mode mode = lock_mode::none;
    relation_kind kind = relation_kind::unknown;
    friend bool operator==(const relation_lock&, const relation_lock&) = default;
};

/// How an answer was found; the contract's words are `tried`, `catalog` and `static`.
enum class evidence {
    rules,    ///< `static`: from what PostgreSQL is known to do; no server was asked
    catalog,  ///< from what stands in the server's catalogs; nothing was run
    tried,    ///< run on stand-ins and rolled back
};

[[nodiscard]] std::string_view word_of(evidence source);

/// Why a statement will not succeed.
struct failure {
    std::string message;
    std::string sqlstate;  ///< empty where only rules say so and no code is certain
    std::string detail;    ///< what to do about it, or what the server added; may be empty
    friend bool operator==(const failure&, const failure&) = default;
};

/// Something that keeps a statement from being done, or is changed or lost with it: a view over a column to be
/// changed, the foreign key that a DROP takes along.
struct dependent {
    std::string kind;        ///< SQL's word in lower case: `view`, `policy`, `foreign key`, `check`, `index`
    std::string name;        ///< as relations are named; for what stands on a table `name on schema.table`
    bool in_the_way = true;  ///< false: it goes or is rebuilt without a word
    friend bool operator==(const dependent&, const dependent&) = default;
};

/// How a statement behaves towards transactions.
enum class transaction_need {
    any,        ///< may stand in a transaction block
    own,        ///< refused in a transaction block (VACUUM, CREATE DATABASE, ALTER SYSTEM)
    own_steps,  ///< refused in one, and commits in between (CREATE INDEX CONCURRENTLY, DETACH … CONCURRENTLY)
};

/// What one statement does. Everything is about relations that others can see: what the statement makes itself is not
/// among the locks.
struct effect {
    std::vector<relation_lock> locks;   ///< one a relation, the strongest; in the order in which they are taken
    std::vector<std::string> rewrites;  ///< relations written anew
    std::vector<std::string> scans;     ///< relations read from beginning to end, by their table's name
    std::vector<std::string> builds;    ///< indexes built, or rebuilt without a rewrite of their table
    std::optional<failure> fails;       ///< set if it will fail; the rest is then what it does until it fails
    bool needless = false;              ///< what it asks for is there already: it does nothing, or fails for that alone
    std::vector<dependent> dependents;
    transaction_need transaction = transaction_need::any;
    evidence source = evidence::rules;

    /// What the answer rests on but nobody has looked at, one sentence each: the worse case was taken.
    std::vector<std::string> assumptions;

    /// Bytes that the rewrites, scans and builds read and write, and how long others are kept waiting for the locks
    /// while that is done; empty where no size is known.
    std::optional<std::int64_t> bytes;
    std::optional<std::int64_t> blocks_ms;
    std::optional<std::int64_t> work_ms;  ///< how long the work itself takes, whether anybody waits for it or not

    /// Set when nobody can say what the statement does, and why not (code in a DO block, a statement of an extension).
    std::string not_understood;

    friend bool operator==(const effect&, const effect&) = default;

    /// Strengthens the lock on `relation`, or adds it.
    void lock(const std::string& relation, lock_mode mode, relation_kind kind = relation_kind::unknown);
    /// Adds to rewrites, scans or builds what is not there yet.
    void rewrite(const std::string& relation);
    void scan(const std::string& relation);
    void build(const std::string& index);
    /// Adds another clause's effect to this one's.
    void merge(const effect& other);

    /// `none` where it takes none.
    [[nodiscard]] lock_mode strongest() const;
    [[nodiscard]] lock_mode on(const std::string& relation) const;
    /// Whether somebody who reads, or writes, one of the relations waits until the transaction's end.
    [[nodiscard]] bool blocks_reads() const;
    [[nodiscard]] bool blocks_writes() const;
    /// Whether it does anything whose time grows with the tables.
    [[nodiscard]] bool works() const { return !rewrites.empty() || !scans.empty() || !builds.empty(); }
};

}  // namespace pgeist::probe
