#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/probe/effect.hpp"

/// Parts of a trial that only src/probe sees: which objects need stand-ins, the names these have, and the SQL that
/// makes them.
namespace pgeist::probe {

/// Nothing can be tried; what() says why.
class not_tried : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Nothing can be tried, whatever the statement.
class nothing_tried : public not_tried {
public:
    using not_tried::not_tried;
};

/// Which stand-in has which name. Stand-ins are named as what they stand for, unless that name is taken.
class name_map {
public:
    /// A name in pg_temp for a relation, sequence, index or type.
    std::string add(const qualified_name& real);
    /// `trial` will be the name of what the statement makes as `real`. False: the name is taken.
    bool add_new(const qualified_name& real);

    [[nodiscard]] std::optional<std::string> find(const std::string& schema, const std::string& name) const;
    /// What the stand-in `trial` stands for. Others are taken for things in the schema `otherwise`.
    [[nodiscard]] qualified_name real_of(const std::string& trial, const std::string& otherwise) const;
    [[nodiscard]] bool stands_alone(const qualified_name& real) const;

    /// `sql` as the server prints definitions (every name with its schema), leading to stand-ins where there are some.
    [[nodiscard]] std::string lead_over(const std::string& sql) const;
    /// Text of the server's about stand-ins, in words about what they stand for.
    [[nodiscard]] std::string in_real_names(const std::string& text, const std::string& otherwise) const;

private:
    std::map<std::pair<std::string, std::string>, std::string> trial_of_;
    std::map<std::string, qualified_name> real_of_;
    int number_ = 0;
};

/// As the contract writes relations: quoted where SQL needs it.
[[nodiscard]] std::string sql_name_of(const qualified_name& name);
/// `pg_temp."name"`
[[nodiscard]] std::string in_temp(const std::string& name);

/// How much of a relation the stand-in has.
enum class extent {
    outline,  ///< columns and unique keys: the other side of a foreign key, or of a view
    whole,    ///< everything that a statement can meet
};

struct real_relation {
    std::int64_t oid = 0;
    qualified_name name;
    std::string trial_name;
    char kind = 'r';
    extent wanted = extent::outline;
    std::vector<std::int64_t> parents;  ///< that have stand-ins, too
    bool is_partition = false;
    std::string partition_key;
    std::string bound;  ///< of a partition in its parent
    std::string access_method;
    std::string tablespace;
    bool row_security = false;
    bool force_row_security = false;
    char replica_identity = 'd';
    std::string of_type;  ///< CREATE TABLE … OF
};

/// Something else that hangs on relations: made as an empty form that depends on the same columns.
struct real_dependent {
    std::string kind;   ///< view, materialized view, rule, policy, function, trigger
    std::string name;   ///< of the object itself
    qualified_name on;  ///< the relation it stands on; of a view or function its own name
    std::int64_t on_oid = 0;
    std::string command;  ///< of a rule or policy, as in pg_rewrite.ev_type and pg_policy.polcmd
    std::map<std::int64_t, std::vector<std::string>> uses;  ///< columns by relation

    [[nodiscard]] std::string display() const;
};

/// What a trial has found out about the server's objects before it makes anything.
struct stage {
    explicit stage(pg::connection& on) : session(on) {}

    pg::connection& session;
    std::string search_path;                   ///< the user's, as SHOW prints it
    std::string default_schema;                ///< where the user's unqualified names are made
    std::vector<std::string> visible_schemas;  ///< in the order of the user's search_path
    std::string settings;                      ///< SQL: the user's other settings, for the transaction
    std::string quiet;                         ///< SQL: no event triggers, no tablespace of the role's for what we make
    name_map names;
    std::vector<real_relation> relations;  ///< tables, parents before children
    std::vector<std::int64_t> types;       ///< enums, domains and composites that statements change
    std::vector<std::int64_t> views;       ///< named, or over what is named
    std::vector<std::int64_t> sequences;   ///< named ones that belong to no table
    std::vector<real_dependent> dependents;
    std::set<std::string> new_schemas;  ///< that the statements make: what is made in them is found
    /// Names of which there is no stand-in, and why: statements that have them are not tried.
    std::map<std::pair<std::string, std::string>, std::string> refused;
    std::set<std::string> invalid_indexes;  ///< by trial name: here they are valid
    bool with_tablespaces = false;
    bool with_truncate_triggers = true;
    bool cascades = false;  ///< TRUNCATE … CASCADE
    bool made = false;      ///< something that has to be dropped
    std::vector<std::string> assumptions;

    [[nodiscard]] const real_relation* find(std::int64_t oid) const;
};

/// Those whose stand-ins have everything.
[[nodiscard]] std::vector<std::int64_t> whole_ones(const stage& at);

/// `{1,2,3}`
[[nodiscard]] std::string oid_array(const std::vector<std::int64_t>& oids);

/// Reads the user's settings and refuses where nothing can be tried. @throws not_tried
[[nodiscard]] awaitable<void> open_stage(stage& at, std::vector<std::pair<std::string, std::string>> settings);

/// Finds all that the statements name and all that hangs together with it. @throws not_tried
[[nodiscard]] awaitable<void> cast_relations(stage& at, const std::vector<std::string>& statements,
                                             std::size_t most_relations);

/// Finds what hangs on the relations that are there whole, and on views; adds outlines of what else it reads.
/// @throws not_tried
[[nodiscard]] awaitable<void> cast_dependents(stage& at, std::size_t most_relations);

/// Adds outlines of tables. Row by row where there are partitions: all of them.
[[nodiscard]] awaitable<void> add_outlines(stage& at, std::vector<std::int64_t> oids, std::size_t most_relations);

/// Makes the tables' stand-ins, or the forms of what hangs on them, and commits them. The first reads their
/// definitions, and makes nothing until it has all. @throws not_tried; pg::sql_error
using building = std::vector<std::string>;
[[nodiscard]] awaitable<building> plan_stand_ins(stage& at);
[[nodiscard]] awaitable<void> build_dependents(stage& at);

/// The user's statement with its names leading to stand-ins. @throws not_tried
[[nodiscard]] awaitable<std::string> lead_statement(stage& at, std::string statement);

/// Commits a script in a transaction of its own. @throws pg::sql_error
[[nodiscard]] awaitable<void> run_script(stage& at, std::string script);

}  // namespace pgeist::probe
