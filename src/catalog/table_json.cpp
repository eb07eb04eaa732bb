#include "pgeist/catalog/table_json.hpp"

#include <stdexcept>

#include "pgeist/core/described_json.hpp"
#include "pgeist/core/error.hpp"

// A table's description outlives the program that has read it: members that are added later are absent in what is
// stored, and their defaults hold.
namespace pgeist {

BOOST_DESCRIBE_STRUCT(qualified_name, (), (schema, name))

namespace catalog {

BOOST_DESCRIBE_STRUCT(grant, (), (grantor, grantee, privilege, grantable))
BOOST_DESCRIBE_STRUCT(access_list, (), (is_default, grants))
BOOST_DESCRIBE_STRUCT(sequence, (),
                      (oid, name, column, identity, type, start, increment, minimum, maximum, cache, cycle, acl,
                       comment))
BOOST_DESCRIBE_STRUCT(column, (),
                      (attnum, name, type, type_oid, collation, not_null, default_expression, default_is_volatile,
                       identity, generated, dimensions, storage, compression, statistics, options, acl, comment,
                       missing_value, local, inherited))
BOOST_DESCRIBE_STRUCT(index_column, (),
                      (attnum, included, descending, collation, operator_family, input_type, statistics))
BOOST_DESCRIBE_STRUCT(index, (),
                      (oid, name, definition, predicate, operator_schemas, operators, method, options, extensions,
                       tablespace, columns, unique, primary, exclusion, immediate, valid, clustered, replica_identity,
                       bytes, rows, comment, parent_index))
BOOST_DESCRIBE_STRUCT(constraint, (),
                      (oid, name, type, definition, validated, operator_schemas, operators, enforced, deferrable,
                       deferred, period, recheck_disabled, local, inherited, index, columns, comment))
BOOST_DESCRIBE_STRUCT(foreign_key, (),
                      (oid, name, table_oid, table, columns, referenced_oid, referenced, referenced_columns, operators,
                       collations, referenced_index, of_primary_key, match, on_update, on_delete, delete_set_columns,
                       deferrable, deferred, validated, enforced, period, comment, table_kind, referenced_kind,
                       trigger_states))
BOOST_DESCRIBE_STRUCT(trigger, (),
                      (oid, name, definition, operator_schemas, operators, enabled, extensions, comment,
                       constraint_comment))
BOOST_DESCRIBE_STRUCT(inherited_trigger, (), (name, enabled, parent_enabled, comment))
BOOST_DESCRIBE_STRUCT(parent, (),
                      (oid, name, partitioned, owned, foreign, detaching, partition_key, bound, constraint,
                       default_partition, default_oid, default_kind, default_owned))
BOOST_DESCRIBE_STRUCT(policy, (),
                      (name, command, permissive, roles, using_expression, check_expression, operator_schemas,
                       operators, comment))
BOOST_DESCRIBE_STRUCT(rule, (), (name, definition, operator_schemas, operators, enabled, comment))
BOOST_DESCRIBE_STRUCT(security_label, (), (provider, label, column))
BOOST_DESCRIBE_STRUCT(statistics, (),
                      (oid, name, printed_name, definition, operator_schemas, operators, owner, target, comment))
BOOST_DESCRIBE_STRUCT(publication, (), (name, columns, filter, excludes, exclusion, all_sequences, owned))
BOOST_DESCRIBE_STRUCT(bound_object, (), (kind, oid, name))
BOOST_DESCRIBE_STRUCT(table, (),
                      (oid, name, printed_name, fingerprint, kind, persistence, owner, access_method, tablespace,
                       options, toast_options, has_toast_table, is_partition, parents, inherits, has_children,
                       row_security, force_row_security, replica_identity, of_type, extension, acl, comment, array_type,
                       type_acl, type_comment, columns, indexes, constraints, foreign_keys, referenced_by,
                       inherited_foreign_keys, ancestors_referenced_by, triggers, inherited_triggers, sequences,
                       policies, extended_statistics, publications, rules, security_labels, bound, estimated_rows,
                       table_bytes, index_bytes))

bool json_may_lack(const sequence&, std::string_view) { return true; }
bool json_may_lack(const column&, std::string_view) { return true; }
bool json_may_lack(const index_column&, std::string_view) { return true; }
bool json_may_lack(const index&, std::string_view) { return true; }
bool json_may_lack(const constraint&, std::string_view) { return true; }
bool json_may_lack(const foreign_key&, std::string_view) { return true; }
bool json_may_lack(const trigger&, std::string_view) { return true; }
bool json_may_lack(const inherited_trigger&, std::string_view) { return true; }
bool json_may_lack(const parent&, std::string_view) { return true; }
bool json_may_lack(const policy&, std::string_view) { return true; }
bool json_may_lack(const rule&, std::string_view) { return true; }
bool json_may_lack(const statistics&, std::string_view) { return true; }
bool json_may_lack(const publication&, std::string_view) { return true; }
bool json_may_lack(const table&, std::string_view) { return true; }

std::string to_json(const table& value) { return described_json::to_text(value); }

table table_from_json(const std::string& text) {
    try {
        return described_json::from_text<table>(text);
    } catch (const std::exception& broken) {
        throw error(exit_code::failed, std::string("a stored definition cannot be read: ") + broken.what());
    }
}

}  // namespace catalog

}  // namespace pgeist
