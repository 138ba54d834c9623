"""The types at the end of the TypeScript module: short ways to a row, an enum, a composite type.

Constant text under typescript.py; DEFAULT_SCHEMA is replaced by the name of a schema.
"""

HELPERS = """\
type Schemas = Omit<Database, "__InternalSupabase">
type Default = Schemas[Extract<keyof Schemas, DEFAULT_SCHEMA>]
type InSchema = { schema: keyof Schemas }
type Rows<Schema> = Schema extends { Tables: infer T; Views: infer V } ? T & V : never
type Kind<Schema, Name extends string> = Schema extends { [K in Name]: infer Found } ? Found : never
type Member<Holder, Name> = Name extends keyof Holder ? Holder[Name] : never
type Part<Holder, Name, P extends string> = Kind<Member<Holder, Name>, P>

export type Tables<
  Name extends keyof Rows<Default> | InSchema,
  Relation extends Name extends InSchema ? keyof Rows<Schemas[Name["schema"]]> : never = never,
> = Name extends InSchema
  ? Part<Rows<Schemas[Name["schema"]]>, Relation, "Row">
  : Part<Rows<Default>, Name, "Row">

export type TablesInsert<
  Name extends keyof Default["Tables"] | InSchema,
  Table extends Name extends InSchema ? keyof Schemas[Name["schema"]]["Tables"] : never = never,
> = Name extends InSchema
  ? Part<Schemas[Name["schema"]]["Tables"], Table, "Insert">
  : Part<Default["Tables"], Name, "Insert">

export type TablesUpdate<
  Name extends keyof Default["Tables"] | InSchema,
  Table extends Name extends InSchema ? keyof Schemas[Name["schema"]]["Tables"] : never = never,
> = Name extends InSchema
  ? Part<Schemas[Name["schema"]]["Tables"], Table, "Update">
  : Part<Default["Tables"], Name, "Update">

export type Enums<
  Name extends keyof Default["Enums"] | InSchema,
  Enum extends Name extends InSchema ? keyof Schemas[Name["schema"]]["Enums"] : never = never,
> = Name extends InSchema
  ? Member<Schemas[Name["schema"]]["Enums"], Enum>
  : Member<Default["Enums"], Name>

export type CompositeTypes<
  Name extends keyof Default["CompositeTypes"] | InSchema,
  Composite extends Name extends InSchema
    ? keyof Schemas[Name["schema"]]["CompositeTypes"]
    : never = never,
> = Name extends InSchema
  ? Member<Schemas[Name["schema"]]["CompositeTypes"], Composite>
  : Member<Default["CompositeTypes"], Name>
"""
