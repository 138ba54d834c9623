// Print a module's Json, Database and Constants in one form: the compiler's own tree, without
// layout, quotes of keys and needless parentheses. `node normal.mjs FILE`
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"

const require = createRequire(new URL("../supabase_cli/package.json", import.meta.url))
const ts = require("typescript")
const file = ts.createSourceFile("a.ts", readFileSync(process.argv[2], "utf8"), 99, true)
const wanted = new Set(["Json", "Database", "Constants"])

function print(node, depth) {
  const pad = "\n" + "  ".repeat(depth + 1)
  const each = (nodes) => nodes.map((child) => pad + print(child, depth + 1)).join("")
  if (ts.isParenthesizedTypeNode(node)) return print(node.type, depth)
  if (ts.isPropertySignature(node))
    return `${node.name.text}${node.questionToken ? "?" : ""}: ${print(node.type, depth)}`
  if (ts.isPropertyAssignment(node)) return `${node.name.text}: ${print(node.initializer, depth)}`
  if (ts.isTypeLiteralNode(node)) return `{${each(node.members)} }`
  if (ts.isObjectLiteralExpression(node)) return `{${each(node.properties)} }`
  if (ts.isUnionTypeNode(node)) return `any of (${each(node.types)} )`
  if (ts.isArrayTypeNode(node)) return `list of ${print(node.elementType, depth)}`
  if (ts.isTupleTypeNode(node)) return `[${each(node.elements)} ]`
  if (ts.isIndexedAccessTypeNode(node))
    return `${print(node.objectType, depth)}[${print(node.indexType, depth)}]`
  if (ts.isLiteralTypeNode(node)) return print(node.literal, depth)
  if (ts.isStringLiteral(node)) return JSON.stringify(node.text)
  if (ts.isTypeReferenceNode(node))
    return node.typeName.text + (node.typeArguments ? `<${each(node.typeArguments)} >` : "")
  if (ts.isIntersectionTypeNode(node)) return `all of (${each(node.types)} )`
  return node.getText(file).replace(/\s+/g, " ")
}

for (const statement of file.statements) {
  if (ts.isTypeAliasDeclaration(statement) && wanted.has(statement.name.text))
    console.log(`${statement.name.text} = ${print(statement.type, 0)}`)
  if (ts.isVariableStatement(statement)) {
    const declared = statement.declarationList.declarations[0]
    console.log(`${declared.name.text} = ${print(declared.initializer.expression, 0)}`)
  }
}
