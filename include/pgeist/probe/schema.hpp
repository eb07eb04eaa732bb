#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "pgeist/ddl/statement.hpp"
#include "pgeist/probe/effect.hpp"

namespace pgeist::probe {

struct known_column {
    std::optional<ddl::type_name> type;
    bool not_null = false;  ///< certainly; false: not known to be
    bool generated = false;
    bool computed_on_read = false;  ///< a virtual generated column
    bool identity = false;
    std::string sequence;  ///< that belongs to it: of an identity or serial column
};

struct known_constraint {
    ddl::constraint what;
    bool valid = true;
};

struct known_index {
    std::string table;
    std::vector<std::string> columns;  ///< plain ones only
    bool unique = false;
    bool partial = false;
    bool expression = false;
    bool plain = true;       ///< btree in the default order, as USING INDEX wants it
    std::string definition;  ///< as ddl::comparable_index_definition() has it; empty: not known
    bool of_constraint = false;
    bool primary = false;
    bool valid = true;
    std::string parent;                   ///< the index of a partitioned table that it is a part of
    std::vector<std::string> name_parts;  ///< what the server makes names of: columns, `expr` for an expression
    std::optional<std::int64_t> bytes;    ///< where a server was asked
    std::size_t file = 0;
};

/// What a server says of a relation's size and standing.
struct measure_of {
    std::int64_t oid = 0;
    std::int64_t bytes = 0;  ///< with TOAST, without indexes
    std::int64_t rows = 0;   ///< as of the last ANALYZE; 0 where there was none
    int columns = 0;         ///< dropped ones included: 1600 is the most
    bool published = false;
    bool valid = true;  ///< of an index
};

/// What is known of a relation, from what was made or changed before.
struct known_relation {
    relation_kind kind = relation_kind::unknown;
    bool whole = false;          ///< made in the files: there is no index or constraint on it that is not known
    bool columns_known = false;  ///< all of them
    bool filled = false;         ///< made in the files, but rows were put into it
    std::size_t file = 0;        ///< that made it
    bool temporary = false;
    std::map<std::string, known_column> columns;
    std::vector<known_constraint> constraints;
    std::string parent;                   ///< of a partition
    std::vector<std::string> partitions;  ///< as far as known
    std::string default_partition;
    std::vector<std::string> children;  ///< tables that inherit from it, partitions aside
    std::vector<std::string> inherits;
    std::vector<std::string> reads;  ///< of a view
    std::optional<measure_of> size;  ///< where a server was asked
};

struct known_type {
    enum class kind { enumeration, domain, other };
    kind what = kind::other;
    bool constrained = false;            ///< a domain with a constraint or NOT NULL
    std::optional<ddl::type_name> base;  ///< of a domain
    std::set<std::string> fresh_values;  ///< enum values added by the current transaction
    std::size_t transaction = 0;         ///< that made the type
    std::size_t values_transaction = 0;  ///< that added the fresh values
    std::size_t file = 0;
};

/// What the statements so far have left behind, as far as it can be told from them alone. Names are as in effect.
class schema {
public:
    /// A file begins: what is made from here on, nobody else can be using.
    void begin_file();
    void begin_transaction(std::size_t number);

    /// The name of a relation as the contract writes it, by the search path that the file has set.
    [[nodiscard]] std::string name_of(const qualified_name& written) const;
    /// For an index or sequence that is named by the server, or an index of a table: in the table's schema.
    [[nodiscard]] std::string beside(const std::string& relation, const std::string& name) const;

    [[nodiscard]] const known_relation* find(const std::string& relation) const;
    [[nodiscard]] const known_index* find_index(const std::string& index) const;
    /// Whether the index that a CREATE INDEX names is there, valid, on that table, and known to have that definition.
    [[nodiscard]] bool has_index_of(const ddl::statement& create_index) const;
    [[nodiscard]] const known_type* find_type(const ddl::type_name& type) const;
    [[nodiscard]] relation_kind kind_of(const std::string& relation) const;
    /// Whether the current file has made it: nobody waits for it.
    [[nodiscard]] bool is_new(const std::string& relation) const;
    /// Whether the current file has made it and no statement has put rows into it.
    [[nodiscard]] bool is_empty(const std::string& relation) const;
    [[nodiscard]] std::vector<std::string> indexes_of(const std::string& relation) const;
    /// Indexes of partitions that are parts of the index.
    [[nodiscard]] std::vector<std::string> parts_of_index(const std::string& index) const;
    /// The relation and everything below it: its partitions, and with `children` what inherits from it.
    [[nodiscard]] std::vector<std::string> tree_of(const std::string& relation, bool children) const;
    /// Views over it, and views over these.
    [[nodiscard]] std::vector<std::string> views_over(const std::string& relation) const;
    /// Sequences that belong to its columns.
    [[nodiscard]] std::vector<std::string> sequences_of(const std::string& relation) const;
    /// Tables with a column of the type, or of a domain over it.
    [[nodiscard]] std::vector<std::string> users_of(const std::string& type) const;
    /// The table of extended statistics; empty where they are not known.
    [[nodiscard]] std::string table_of_statistics(const std::string& name) const;
    /// A name like the one that the server makes for an index of the relation.
    [[nodiscard]] std::string index_name(const std::string& relation, const std::vector<std::string>& columns,
                                         const std::string& suffix) const;
    /// The index that a partition has already where its parent has `like`; empty: none.
    [[nodiscard]] std::string same_index(const std::string& partition, const known_index& like) const;
    /// Tables with a foreign key to the relation, and the constraint's name.
    [[nodiscard]] std::vector<std::pair<std::string, const known_constraint*>> references_to(
        const std::string& relation) const;
    [[nodiscard]] const known_constraint* find_constraint(const std::string& relation, const std::string& name) const;
    /// Whether the files have dropped a relation of this name, and nobody has made it again.
    [[nodiscard]] bool was_dropped(const std::string& relation) const { return dropped_.contains(relation); }
    [[nodiscard]] std::size_t transaction() const { return transaction_; }
    [[nodiscard]] const std::vector<std::string>& search_path() const { return search_path_; }
    [[nodiscard]] std::vector<const known_type*> types_with_fresh_value(const std::string& value) const;

    /// Whether nothing is there that it does not know: it was read from a server.
    [[nodiscard]] bool complete() const { return complete_; }
    void set_complete() { complete_ = true; }

    /// What only a server knows. Relations that are not known are passed over.
    void set_default_path(std::vector<std::string> path);
    void set_measure(const std::string& relation, const measure_of& size);
    void set_bytes(const std::string& relation, std::int64_t bytes);
    void set_sequence(const std::string& relation, const std::string& column, const std::string& sequence,
                      bool identity);

    /// Carries out a statement.
    void apply(const ddl::statement& what);

private:
    known_relation& at(const std::string& relation);
    void forget_column(const std::string& relation, const std::string& column);
    void apply_clause(const std::string& relation, const ddl::statement& what, const ddl::clause& each);
    void apply_to_columns(const std::string& relation, const ddl::clause& each);
    void apply_to_constraints(const std::string& relation, const ddl::statement& what, const ddl::clause& each);
    void apply_to_tree(const std::string& relation, const ddl::statement& what, const ddl::clause& each);
    void apply_identity(const std::string& relation, const ddl::clause& each);
    void apply_partition(const std::string& relation, const ddl::clause& each);
    void inherit_from(const std::string& parent, const std::string& child);
    void add_index(const std::string& relation, const std::string& name, const known_index& made, bool only);
    void add_parts(const std::string& parent, const std::string& partition);
    void apply_create_table(const ddl::statement& what);
    void apply_create_view(const ddl::statement& what);
    void apply_create_sequence(const ddl::statement& what);
    void apply_create_statistics(const ddl::statement& what);
    void apply_create_index(const ddl::statement& what);
    void apply_drop(const ddl::statement& what);
    void add_constraint(const std::string& relation, ddl::constraint what, bool only = false);
    void add_column(const std::string& relation, const ddl::column& what);
    void drop_constraint(const std::string& relation, const std::string& name);
    void rename(const std::string& from, const std::string& to);
    void forget(const std::string& relation);
    void apply_type(const ddl::statement& what);
    void set_path(const ddl::statement& what);
    std::string own_name(const qualified_name& written, bool temporary) const;

    std::map<std::string, known_relation> relations_;
    std::map<std::string, known_index> indexes_;
    std::map<std::string, known_type> types_;
    std::map<std::string, std::string> statistics_;  ///< the table by the statistics' name
    std::set<std::string> dropped_;
    std::vector<std::string> default_path_{"public"};
    std::vector<std::string> search_path_{"public"};
    bool complete_ = false;
    std::size_t file_ = 0;
    std::size_t transaction_ = 0;
};

}  // namespace pgeist::probe
